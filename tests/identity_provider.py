"""An identity provider on loopback: its keys over HTTP or HTTPS, and tokens that it signs."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
CURVE = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {"iss": "https://id", "aud": "ragents", "sub": "ada", "tenant": "acme", "scope": "openid ask write"}


def token(key: Any = KEY, kid: str | None = "one", algorithm: str = "RS256", **claims: Any) -> str:
    given = CLAIMS | {"exp": time.time() + 600} | claims
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode({k: v for k, v in given.items() if v is not None}, key, algorithm, headers=headers)


def public(kid: str, key: Any) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    made: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return made | {"kid": kid, "use": "sig"}


class Provider:
    """What it answers, and how often it was asked."""

    def __init__(self) -> None:
        self.keys = [public("one", KEY), public("curve", CURVE)]
        self.text = ""  # instead of the keys
        self.asked = 0
        self.status = 200
        self.silent = False  # it takes the request and says nothing
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.text:
            return web.Response(text=self.text, status=self.status)
        return web.json_response({"keys": self.keys}, status=self.status)


@asynccontextmanager
async def identity_provider(tls: ssl.SSLContext | None = None) -> AsyncIterator[Provider]:
    """One that runs."""
    provider, app = Provider(), web.Application()
    app.router.add_get("/jwks", provider.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    provider.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/jwks"
    yield provider
    await runner.cleanup()
