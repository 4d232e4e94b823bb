"""Takes whatever is posted to it and forgets it: it plays Opik. Prints its port, and ends with its input."""

import asyncio
import sys

from aiohttp import web


async def main() -> None:
    """Until standard input closes."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=204 if "otel" not in request.path else 200)

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
