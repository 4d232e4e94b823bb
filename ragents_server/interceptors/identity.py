"""The identity guard: who calls, and whether the RPC is allowed to them."""

from dataclasses import replace
from typing import Any

from ragents_server.caller import LOCAL, Caller, act_for
from ragents_server.errors import InvalidRequest, PermissionDenied, Unauthenticated
from ragents_server.identity.keys import Keys
from ragents_server.interceptors.around import Call, Guard, Serve

BEARER = "bearer "
# The scope each RPC needs. One without a rule is denied; a test walks the descriptors.
RULES: dict[str, str] = {
    **dict.fromkeys(
        ["Query", "StreamQuery", "Retrieve", "BatchQuery", "SubmitBatch", "GetBatch", "CancelBatch"], "ask"
    ),
    **dict.fromkeys(["ListCollections", "GetCollection", "ListDocuments", "GetDocument"], "ask"),
    **dict.fromkeys(["PutDocuments", "DeleteDocument", "DeleteCollection"], "write"),
    **dict.fromkeys(["ListAgents", "Run", "StreamRun", "AttachRun", "GetRun", "CancelRun"], "ask"),
    **dict.fromkeys(["ListThreads", "GetThread", "GetThreadHistory", "ForkThread", "DeleteThread"], "ask"),
    **dict.fromkeys(["GetCacheStats", "ReportBadHit"], "ask"),
    "ClearCache": "write",
    "GetHealth": "ask",
    "ServerReflectionInfo": "ask",
}


def identity(keys: Keys | None) -> Guard:
    """Finds the caller by its bearer token; without keys everybody is the one local caller."""

    def guard(serve: Serve) -> Serve:
        async def identified(call: Call) -> Any:
            caller = _on_behalf(call, _authenticate(call, keys) if keys else LOCAL)
            rpc = call.method.rpartition("/")[2]
            scope = RULES.get(rpc)
            if scope is None or scope not in caller.scopes:
                raise PermissionDenied(f"{rpc} needs the scope {scope or 'of a later release'}")
            act_for(caller)
            return await serve(call)

        return identified

    return guard


def _authenticate(call: Call, keys: Keys) -> Caller:
    given = call.metadata.get("authorization", "")
    if not given:
        raise Unauthenticated("the call carries no credential")
    token = given[len(BEARER) :].strip() if given.lower().startswith(BEARER) else ""
    caller = keys.find(token) if token else None
    if caller is None:
        raise Unauthenticated("the credential is not known")
    return caller


def _on_behalf(call: Call, caller: Caller) -> Caller:
    """A service that acts for its end users names the one it acts for."""
    user = call.metadata.get("x-ragents-user")
    if user is None:
        return caller
    if "act_for_users" not in caller.scopes:
        raise PermissionDenied("x-ragents-user needs the scope act_for_users")
    if not user or len(user) > 256:
        raise InvalidRequest("x-ragents-user must be 1 to 256 characters")
    return replace(caller, user=user)
