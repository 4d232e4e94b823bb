"""Ids that follow from names: what is asked for again has the id that it had."""

import hashlib


def identity(kind: str, *names: str) -> str:
    """32 hexadecimal digits that stand for these names and nothing else."""
    digest = hashlib.blake2b(digest_size=16)
    for name in ("ragents", kind, *names):
        digest.update(f"{len(name)}:{name}".encode(errors="surrogatepass"))
    return digest.hexdigest()
