"""Which transactions exclude each other, and in what order they lock, so that none waits in a circle.

A change of a document first shares its collection, then holds the document, and touches the collection's row last.
What concerns a whole collection (delete, switch to other vectors, reweigh) holds it alone, and so waits until the
changes under way are done. All are transaction-level advisory locks: they end with the transaction, also behind
PgBouncer.
"""

import hashlib


def lock_key(kind: str, *names: str) -> int:
    """A number for pg_advisory_xact_lock; a chance collision only makes two changes wait for each other."""
    digest = hashlib.blake2b(digest_size=8)
    for name in ("ragents", kind, *names):
        digest.update(f"{len(name)}:{name}".encode())
    return int.from_bytes(digest.digest(), "big", signed=True)


def collection_key(tenant: str, collection: str) -> int:
    """What changes of its documents share, and what concerns all of it holds alone."""
    return lock_key("collection", tenant, collection)


def document_key(document_id: str) -> int:
    """What two changes of one document take in turn."""
    return lock_key("document", document_id)
