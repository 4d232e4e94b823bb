"""`ragents-server --check`: prints the settings, tries each back end, and says what would happen."""

import time
from contextlib import aclosing
from http.client import HTTPException

from ragents_server.cache.stores import CacheUnavailable, Key
from ragents_server.connections.postgres import is_unavailable
from ragents_server.connections.redis import RedisUnavailable
from ragents_server.errors import RagentsError, StateUnavailable
from ragents_server.models.chat import ChatModel, Message
from ragents_server.operations import prepare_database, require_sound, say
from ragents_server.settings import PREFIX, Settings, is_secret
from ragents_server.wiring import Parts, open_guarded_chat, opened


async def check(settings: Settings) -> int:
    """Prints every setting, secrets masked, and tries each back end; 0 when all answer."""
    require_sound(settings)
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        shown = "********" if is_secret(field) and value is not None else "" if value is None else value
        say(f"{PREFIX}{name.upper()}={shown}")
    started = time.monotonic()
    async with opened(settings) as parts:
        for store in parts.stores:
            say(f"embeddings: {store.embeddings.model}, {store.embeddings.dimension} dimensions: ok")
        answers = [
            await _provider_answers(settings),
            await _database_answers(parts),
            await _cache_answers(parts),
            await _chat_model_answers(settings, parts),
            await _agents_answer(parts),
            await _limits_answer(parts),
            await _queue_answers(parts),
        ]
        say(f"ready in {time.monotonic() - started:.1f} s" if all(answers) else "not ready")
    return 0 if all(answers) else 1


async def _database_answers(parts: Parts) -> bool:
    try:
        await prepare_database(parts)
        found = await parts.pool.fetchval("SELECT current_setting('server_version')")
    except Exception as error:
        if isinstance(error, RagentsError) or not is_unavailable(error):
            raise
        say(f"database: does not answer ({type(error).__name__})")
        return False
    say(f"database: PostgreSQL {found}: ok")
    return True


async def _provider_answers(settings: Settings) -> bool:
    """Reads the keys of the identity provider, where there is one; they must be for signatures that count."""
    if "jwt" not in settings.identities:
        return True
    from ragents_server.identity.key_sets import fetched, why

    try:
        keys = await fetched(settings.jwt_keys)
    except (OSError, ValueError, HTTPException) as error:
        say(f"identity provider: {why(error)}")
        return False
    signatures = {key.algorithm_name for key in keys.values()}
    if not signatures & set(settings.signatures):
        say(f"identity provider: its keys are for {', '.join(sorted(signatures))}; see RAGENTS_JWT_ALGORITHMS")
        return False
    say(f"identity provider: {len(keys)} keys for {', '.join(sorted(signatures))}: ok")
    return True


async def _cache_answers(parts: Parts) -> bool:
    """Asks the Redis of the cache, where there is one."""
    if parts.caches.shared is None:
        return True
    try:
        await parts.caches.shared.get(Key("check", "answer", bytes(16)))
    except CacheUnavailable as error:
        say(f"cache: does not answer ({error})")
        return False
    say("cache: ok")
    return True


async def _agents_answer(parts: Parts) -> bool:
    """Loads the agents, and asks the Redis of their checkpoints, where there is one."""
    loaded = await parts.agency.roster.loaded()
    try:
        await parts.agency.prepare()
    except RedisUnavailable as error:
        say(f"checkpoints: does not answer ({error})")
        return False
    say(f"agents: {', '.join(sorted(loaded.agents))}: ok")
    return True


async def _queue_answers(parts: Parts) -> bool:
    """Asks the queue of batches, in its Redis or in the database."""
    try:
        sizes = await parts.queueing.queue.sizes()
    except Exception as error:
        if not (isinstance(error, StateUnavailable) or is_unavailable(error)):
            raise
        say(f"queue: does not answer ({error})")
        return False
    say(f"queue: {sizes.waiting} questions without an outcome, {sizes.dead} dead letters: ok")
    return True


async def _limits_answer(parts: Parts) -> bool:
    """Asks the Redis of the limits, where there is one."""
    if parts.limits.redis is None:
        return True
    try:
        await parts.limits.prepare()
    except RedisUnavailable as error:
        say(f"limits: does not answer ({error})")
        return False
    say("limits: ok")
    return True


async def _chat_model_answers(settings: Settings, parts: Parts) -> bool:
    """Lets the chat model and its fallbacks write one word each, where there are any."""
    if not settings.chat_model:
        return True
    async with open_guarded_chat(settings, parts.limits) as chat:
        return all([await _writes(choice.model) for choice in chat.choices])


async def _writes(model: ChatModel) -> bool:
    try:
        async with aclosing(model([Message("user", "Reply with: ok")])) as pieces:
            await anext(pieces)
    except RagentsError as error:
        say(f"chat model: {error.message}; {error.advice}")
        return False
    say(f"chat model: {model.model}: ok")
    return True
