"""Where the state of LangGraph's threads is kept: in PostgreSQL, or in a plain Redis.

Nothing but `fences` is imported from here by what does not run agents: LangGraph costs seconds to import.
"""

import os

# LangGraph reads it when it is first imported: a graph then tells its saver which classes its state may hold, and
# whatever else stands in a checkpoint stays data. The serializer is strict without it too.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
