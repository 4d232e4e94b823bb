"""The identity guard: who calls, and whether the RPC is allowed to them."""

from dataclasses import replace
from typing import Any

from ragents_server.caller import LOCAL, Caller, act_for
from ragents_server.errors import InvalidRequest, PermissionDenied, Unauthenticated
from ragents_server.identity.authentication import Chain
from ragents_server.identity.client_certificates import Shown
from ragents_server.identity.forwarded import HEADER as FORWARDED
from ragents_server.interceptors.around import Call, Context, Guard, Serve

BEARER = "bearer "
# The scope each RPC needs, by the full name of its method. One without a rule is denied; a test walks the descriptors.
RULES: dict[str, str] = {
    f"/{service}/{rpc}": scope
    for service, scopes in {
        "ragents.v1.QueryService": {
            "ask": "Query StreamQuery Retrieve BatchQuery SubmitBatch GetBatch CancelBatch",
        },
        "ragents.v1.DocumentService": {
            "ask": "ListCollections GetCollection ListDocuments GetDocument",
            "write": "PutDocuments DeleteDocument DeleteCollection",
        },
        "ragents.v1.AgentService": {
            "ask": "ListAgents Run StreamRun AttachRun GetRun CancelRun "
            "ListThreads GetThread GetThreadHistory ForkThread DeleteThread",
        },
        "ragents.v1.CacheService": {"ask": "GetCacheStats ReportBadHit", "write": "ClearCache"},
        "ragents.v1.HealthService": {"ask": "GetHealth"},
        "grpc.reflection.v1alpha.ServerReflection": {"ask": "ServerReflectionInfo"},
    }.items()
    for scope, rpcs in scopes.items()
    for rpc in rpcs.split()
}


REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def identity(authenticator: Chain | None, *, guarded_reflection: bool = False) -> Guard:
    """Finds the caller by its bearer token, or else by its certificate; without an authenticator everybody is local.

    With `guarded_reflection` only administrators may look at the contract through the server.
    """

    def guard(serve: Serve) -> Serve:
        async def identified(call: Call) -> Any:
            caller = _on_behalf(call, await _holder(call, authenticator) if authenticator else LOCAL)
            scope = "admin" if guarded_reflection and call.method == REFLECTION else RULES.get(call.method)
            if scope is None or scope not in caller.scopes:
                rpc = call.method.rpartition("/")[2]
                raise PermissionDenied(f"{rpc} needs the scope {scope or 'of a later release'}")
            act_for(caller)
            return await serve(call)

        return identified

    return guard


async def _holder(call: Call, authenticator: Chain) -> Caller:
    """Who holds the call's credential. A token is judged alone: where it is wrong, no certificate stands in for it."""
    given = call.metadata.get("authorization")
    if given is None and authenticator.certificates is not None:
        known = await authenticator.certificates.authenticate(_shown(call.context))
        if known is not None:
            return known
    if not given:
        raise Unauthenticated("the call carries no credential")
    token = given[len(BEARER) :].strip() if given.lower().startswith(BEARER) else ""
    caller = await authenticator.authenticate(token) if token else None
    if caller is None:
        raise Unauthenticated("the credential is not known")
    return caller


def _shown(context: Context) -> Shown:
    forwarded = [str(value) for key, value in context.invocation_metadata() or () if key == FORWARDED]
    return Shown(context.peer(), context.auth_context, forwarded)


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
