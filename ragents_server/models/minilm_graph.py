"""Rewrites the embedding model's graph so that its int8 weights are multiplied as int8.

The packaged file stores int8 weights and one scale a column, and widens them to float32 before
every matrix product: int8 is storage only. onnxruntime has one operator for the product of float
activations with such weights, `DynamicQuantizeMatMul`; it takes the place of all 36 products. A pass
takes about three quarters of the time, and vectors agree with the packaged file's at .995; nDCG@10
of the dense leg moves by at most .008 on four collections, up on one and down on three.

The rewrite happens in memory, on the few fields of the ONNX messages that are declared here;
protobuf carries all others through unread.
"""

from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_STRING, _INT64, _MESSAGE = _Field.TYPE_STRING, _Field.TYPE_INT64, _Field.TYPE_MESSAGE

# message -> field -> (number, type, message type), as numbered in onnx.proto
_FIELDS: dict[str, dict[str, tuple[int, int, str]]] = {
    "Model": {"graph": (7, _MESSAGE, "Graph"), "opset_import": (8, _MESSAGE, "Opset")},
    "Graph": {"node": (1, _MESSAGE, "Node"), "initializer": (5, _MESSAGE, "Tensor")},
    "Node": {
        "input": (1, _STRING, ""),
        "output": (2, _STRING, ""),
        "op_type": (4, _STRING, ""),
        "domain": (7, _STRING, ""),
    },
    "Tensor": {"dims": (1, _INT64, ""), "name": (8, _STRING, "")},
    "Opset": {"domain": (1, _STRING, ""), "version": (2, _INT64, "")},
}
_REPEATED = {"opset_import", "node", "initializer", "input", "output", "dims"}
_PACKAGE = "ragents.onnx"
_CONTRIB = "com.microsoft"  # the domain of onnxruntime's own operators


def multiply_as_int8(model: bytes) -> bytes:
    """The ONNX file `model` with its products over stored weights as `DynamicQuantizeMatMul`."""
    parsed = _model_type().FromString(model)
    makers = {node.output[0]: node for node in parsed.graph.node}
    stored = {tensor.name: tensor for tensor in parsed.graph.initializer}
    for node in parsed.graph.node:
        product = _over_stored_weights(node, makers)
        if product:
            node.op_type, node.domain = "DynamicQuantizeMatMul", _CONTRIB
            node.input[:] = [node.input[0], product.weights, product.scale]
            dims = stored[product.scale].dims
            dims[:] = dims[-1:]  # the operator takes one scale a column as a vector, not as a row
    parsed.opset_import.add(domain=_CONTRIB, version=1)
    rewritten: bytes = parsed.SerializeToString()
    return rewritten


class _Product(NamedTuple):
    weights: str
    scale: str


def _over_stored_weights(node: Any, makers: dict[str, Any]) -> _Product | None:
    """The names in MatMul(x, Mul(Cast(weights), scale)); None for any other node."""
    widened = makers.get(node.input[1]) if node.op_type == "MatMul" else None
    cast = makers.get(widened.input[0]) if widened is not None and widened.op_type == "Mul" else None
    if widened is None or cast is None or cast.op_type != "Cast":
        return None
    return _Product(cast.input[0], widened.input[1])


def _model_type() -> Any:
    """The message class of an ONNX model, in a pool of its own so that it never meets the `onnx` package's."""
    file = descriptor_pb2.FileDescriptorProto(name="ragents/onnx.proto", package=_PACKAGE, syntax="proto2")
    for message, fields in _FIELDS.items():
        declared = file.message_type.add(name=message)
        for name, (number, kind, target) in fields.items():
            label = _Field.LABEL_REPEATED if name in _REPEATED else _Field.LABEL_OPTIONAL
            field = declared.field.add(name=name, number=number, type=_Field.Type.ValueType(kind), label=label)
            if target:
                field.type_name = f".{_PACKAGE}.{target}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Model"))
