"""What our own chat models of LangChain's have in common: they are asked asynchronously, or not at all."""

from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import ConfigDict


class Asynchronous(BaseChatModel):
    """A chat model without LangChain's blocking half, whose parts pydantic does not look into."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("only `astream` and `ainvoke`: models are asked asynchronously")
