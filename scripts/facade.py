"""Writes the face of the generated package: every message, enum, stub and servicer under one name."""

import ast
import sys
from pathlib import Path

HEADER = (
    '"""The generated contract `ragents.v1`: messages, enums, stubs and servicers. Made by scripts/generate."""\n\n'
)


def public_names(stub: Path) -> list[str]:
    """The public names a type stub defines, enum values included."""
    names: list[str] = []
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
        elif isinstance(node, ast.FunctionDef):
            names.append(node.name)
    return sorted(
        {
            name
            for name in names
            if not name.startswith("_") and name not in {"DESCRIPTOR", "GRPC_VERSION"} and not name.startswith("GRPC_")
        }
    )


def main(folder: Path) -> None:
    lines, exported = [], []
    for stub in sorted(folder.glob("*_pb2*.pyi")):
        module = stub.name.removesuffix(".pyi")
        wanted = [name for name in public_names(stub) if not name.endswith("AsyncStub")]
        if wanted:
            lines.append(
                f"from ragents_client.v1.{module} import {', '.join(f'{name} as {name}' for name in wanted)}\n"
            )
            exported += wanted
    listing = "".join(f'    "{name}",\n' for name in sorted(set(exported)))
    (folder / "__init__.py").write_text(f"{HEADER}{''.join(lines)}\n__all__ = [\n{listing}]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
