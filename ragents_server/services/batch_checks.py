"""What a caller sends of batches is checked here, and a page is cut to what a message holds."""

import asyncio
from collections.abc import Sequence

from ragents_client.v1.answer_pb2 import Question
from ragents_client.v1.batch_pb2 import BatchItem
from ragents_client.v1.query_service_pb2 import SubmitBatchRequest
from ragents_server.caller import Caller
from ragents_server.services.checks import Violations, check_question

MAX_QUESTIONS = 10_000
MAX_REQUEST_ID = 128  # bytes
AT_ONCE = 250  # questions checked before others have the event loop


async def check_submission(request: SubmitBatchRequest, caller: Caller) -> list[Question]:
    """The questions, checked; InvalidRequest or PermissionDenied names the first that is wrong."""
    found, id_ = Violations(), request.request_id
    found.require(1 <= len(id_.encode()) <= MAX_REQUEST_ID, "request_id", f"must be 1 to {MAX_REQUEST_ID} bytes")
    found.require("\0" not in id_, "request_id", "must not contain NUL")
    number = len(request.questions)
    found.require(1 <= number <= MAX_QUESTIONS, "questions", f"must have 1 to {MAX_QUESTIONS:,} entries")
    found.check()
    questions = []
    for index, question in enumerate(request.questions):
        if index % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        questions.append(check_question(question, caller, f"questions[{index}]"))
    return questions


def fitting(items: Sequence[BatchItem], most: int) -> list[BatchItem]:
    """As many of the first items as have so many bytes between them, one at least."""
    taken: list[BatchItem] = []
    for item in items:
        most -= item.ByteSize()
        if most < 0 and taken:
            break
        taken.append(item)
    return taken
