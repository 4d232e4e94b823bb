"""Questions and outcomes as they are stored: protobuf with a tag in front, which is checked before anything is read.

The tag covers whose question it is, so that neither bytes nor callers can be swapped; with a key nobody else can make
one.
"""

from google.protobuf.message import DecodeError

from ragents_client.v1.answer_pb2 import Question
from ragents_client.v1.batch_pb2 import BatchItem
from ragents_server.caller import Caller, from_text
from ragents_server.checkpoints.seals import SIZE, Seal
from ragents_server.errors import JobCorrupt
from ragents_server.jobs.queue import Job


class Records:
    """Writes and reads them."""

    def __init__(self, key: bytes = b"") -> None:
        self._seal = Seal(key)

    def question(self, batch: str, index: int, caller: str, question: Question) -> bytes:
        """A question to store; `caller` as `to_text` gives it."""
        content = question.SerializeToString(deterministic=True)
        return self._seal.tag("question", batch, index, caller, content) + content

    def asked(self, job: Job) -> tuple[Caller, Question]:
        """Who asks what. Raises JobCorrupt."""
        lease = job.lease
        content = self._content(job.question, "question", lease.batch, lease.index, job.caller)
        try:
            return from_text(job.caller), Question.FromString(content)
        except (DecodeError, ValueError, TypeError) as error:
            raise JobCorrupt("the stored question cannot be read") from error

    def outcome(self, batch: str, item: BatchItem) -> bytes:
        """An outcome to store."""
        content = item.SerializeToString(deterministic=True)
        return self._seal.tag("outcome", batch, item.index, content) + content

    def told(self, batch: str, index: int, stored: bytes | None) -> BatchItem:
        """A question's outcome; none where there is none yet, a Failure where the stored one is damaged."""
        if stored is None:
            return BatchItem(index=index)
        try:
            return BatchItem.FromString(self._content(stored, "outcome", batch, index))
        except (JobCorrupt, DecodeError):
            return BatchItem(index=index, failure=JobCorrupt("the stored outcome is damaged").failure())

    def _content(self, stored: bytes, *fields: str | int) -> bytes:
        tag, content = stored[:SIZE], stored[SIZE:]
        if not self._seal.holds(tag, *fields, content):
            raise JobCorrupt("the stored question is damaged")
        return content
