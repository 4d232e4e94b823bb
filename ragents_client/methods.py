"""The methods of both clients: each call is described once, and either client awaits it or waits for it."""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from ragents_client.calls import agents, documents, questions, service
from ragents_client.calls.call import Call
from ragents_client.streams import AsyncStream, Stream

P = ParamSpec("P")
T = TypeVar("T")


class Waiting(Protocol):
    """A client that blocks until the answer is there."""

    def _fetch(self, call: Call[Any, T]) -> T: ...
    def _follow(self, call: Call[Any, T]) -> Stream[T]: ...
    def _pages(self, call: Call[Any, Sequence[T]]) -> Iterator[T]: ...


class Awaiting(Protocol):
    """A client whose answers are awaited."""

    async def _fetch(self, call: Call[Any, T]) -> T: ...
    def _follow(self, call: Call[Any, T]) -> AsyncStream[T]: ...
    def _pages(self, call: Call[Any, Sequence[T]]) -> AsyncIterator[T]: ...


class _Method(Generic[P, T]):
    """A method made of the function that describes its call; it keeps that function's signature and docstring."""

    room: str  # the client's method that carries the call out

    def __init__(self, describe: Callable[P, Call[Any, T]]) -> None:
        self._describe = describe
        functools.update_wrapper(self, describe)  # type: ignore[arg-type] # typed for functions only

    def _bound(self, client: Any) -> Any:
        @functools.wraps(self._describe)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return getattr(client, self.room)(self._describe(*args, **kwargs))

        return method


class Fetched(_Method[P, T]):
    """One request, one noun."""

    room = "_fetch"

    @overload
    def __get__(self, client: None, owner: object) -> Self: ...
    @overload
    def __get__(self, client: Waiting, owner: object = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaiting, owner: object = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: object = None) -> Any:
        return self if client is None else self._bound(client)


class Followed(_Method[P, T]):
    """One request, nouns as they come."""

    room = "_follow"

    @overload
    def __get__(self, client: None, owner: object) -> Self: ...
    @overload
    def __get__(self, client: Waiting, owner: object = None) -> Callable[P, Stream[T]]: ...
    @overload
    def __get__(self, client: Awaiting, owner: object = None) -> Callable[P, AsyncStream[T]]: ...
    def __get__(self, client: Any, owner: object = None) -> Any:
        return self if client is None else self._bound(client)


class Paged(Generic[P, T]):
    """Nouns page after page; the next page is fetched when it is reached."""

    def __init__(self, describe: Callable[P, Call[Any, Sequence[T]]]) -> None:
        self._method: _Method[P, Sequence[T]] = _Method(describe)
        self._method.room = "_pages"
        functools.update_wrapper(self, describe)  # type: ignore[arg-type] # typed for functions only

    @overload
    def __get__(self, client: None, owner: object) -> Self: ...
    @overload
    def __get__(self, client: Waiting, owner: object = None) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: Awaiting, owner: object = None) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: Any, owner: object = None) -> Any:
        return self if client is None else self._method._bound(client)


class Methods:
    """A method for each RPC, in the order of the contract; the uploads are the clients' own."""

    query = Fetched(questions.query)
    query_response = Fetched(questions.query_response)
    stream_query = Followed(questions.stream_query)
    retrieve = Fetched(questions.retrieve)
    retrieve_response = Fetched(questions.retrieve_response)
    batch_query = Fetched(questions.batch_query)
    submit_batch = Fetched(questions.submit_batch)
    get_batch = Fetched(questions.get_batch)
    list_batch_items = Paged(questions.list_batch_items)
    cancel_batch = Fetched(questions.cancel_batch)

    list_collections = Paged(documents.list_collections)
    get_collection = Fetched(documents.get_collection)
    delete_collection = Fetched(documents.delete_collection)
    list_documents = Paged(documents.list_documents)
    get_document = Fetched(documents.get_document)
    delete_document = Fetched(documents.delete_document)

    list_agents = Fetched(agents.list_agents)
    run = Fetched(agents.run)
    stream_run = Followed(agents.stream_run)
    attach_run = Followed(agents.attach_run)
    get_run = Fetched(agents.get_run)
    cancel_run = Fetched(agents.cancel_run)
    list_threads = Paged(agents.list_threads)
    get_thread = Fetched(agents.get_thread)
    get_thread_history = Paged(agents.get_thread_history)
    fork_thread = Fetched(agents.fork_thread)
    delete_thread = Fetched(agents.delete_thread)

    get_cache_stats = Fetched(service.get_cache_stats)
    clear_cache = Fetched(service.clear_cache)
    report_bad_hit = Fetched(service.report_bad_hit)
    get_health = Fetched(service.get_health)
