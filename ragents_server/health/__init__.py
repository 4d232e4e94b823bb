"""How the server's parts are: looked at, in a bounded time each, and believed when they say so twice."""
