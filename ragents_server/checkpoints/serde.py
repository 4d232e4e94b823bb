"""Values as bytes and back: LangGraph's msgpack, strict, without pickle, compressed where that pays."""

from typing import Any

import zstandard
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

COMPRESSED_FROM = 512  # bytes; below, the frame costs more than it saves
PAYS = 0.9  # what stays larger than this share of itself is kept as it is
MAX_INFLATED = 64 * 2**20  # bytes that a frame may claim; what is larger is never compressed
ZSTD = "+zstd"
KINDS = frozenset({"null", "bytes", "bytearray", "msgpack"})  # JSON of old LangGraphs revives objects: never read

_compressor = zstandard.ZstdCompressor(level=3)  # writes the inflated size into the frame
_inflater = zstandard.ZstdDecompressor(max_window_size=2**27)


class Unreadable(Exception):
    """The bytes are nothing that this serializer wrote."""


class Serializer(JsonPlusSerializer):
    """LangGraph's serializer, so that a graph's allowlist reaches it; of other classes only the data comes back."""

    def __init__(self) -> None:
        super().__init__(pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=None)

    @property
    def allowed(self) -> frozenset[tuple[str, ...]]:
        """The classes beyond LangGraph's own that come back as objects: the same bytes read otherwise differ."""
        names = self._allowed_msgpack_modules
        return frozenset(names) if isinstance(names, set) else frozenset()

    def plain(self, obj: Any) -> tuple[str, bytes]:
        """The kind and the bytes. Raises what LangGraph raises for what msgpack cannot hold."""
        return super().dumps_typed(obj)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """The same, compressed where that pays."""
        kind, data = self.plain(obj)
        if not COMPRESSED_FROM <= len(data) <= MAX_INFLATED:
            return kind, bytes(data)
        compressed = _compressor.compress(data)
        return (kind + ZSTD, compressed) if len(compressed) < PAYS * len(data) else (kind, bytes(data))

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value. Raises Unreadable for whatever was not written by `dumps_typed`."""
        kind, content = data
        if kind.endswith(ZSTD):
            kind, content = kind.removesuffix(ZSTD), _inflate(content)
        if kind not in KINDS:
            raise Unreadable("of an unknown kind")
        try:
            return super().loads_typed((kind, content))
        except Exception as error:  # whatever the constructors of allowed classes raise
            raise Unreadable("not decodable") from error


def _inflate(frame: bytes) -> bytes:
    """The frame's own header decides how much is allocated, so it is read before."""
    try:
        if not 0 <= zstandard.frame_content_size(frame) <= MAX_INFLATED:
            raise Unreadable("of another size than may be")
        return _inflater.decompress(frame)
    except zstandard.ZstdError:
        raise Unreadable("not compressed as it says") from None
