"""Every metric of ours: its name, kind, labels, sentence, and how the numbers of several processes make one."""

from dataclasses import dataclass
from typing import Literal

CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 30.0, 60.0)
WORK_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
SIZES = (1_000.0, 10_000.0, 100_000.0, 1e6, 1e7)

RPC = ("grpc_type", "grpc_service", "grpc_method")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; a counter's name ends in `_total`. `merged` is `max` where each process tells of the whole server.

    Gauges, and counters that are `read`, are looked at when somebody asks; the others are counted as it happens.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    sentence: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    merged: Literal["sum", "max"] = "sum"
    read: bool = False


FAMILIES = (
    Family("grpc_server_started_total", "counter", "RPCs begun, before any limit", RPC),
    Family("grpc_server_handled_total", "counter", "RPCs ended, by the status sent", (*RPC, "grpc_code")),
    Family("grpc_server_handling_seconds", "histogram", "seconds from an RPC's begin to its end", RPC, CALL_SECONDS),
    Family("grpc_server_msg_received_total", "counter", "messages received", RPC),
    Family("grpc_server_msg_sent_total", "counter", "messages sent", RPC),
    Family(
        "ragents_errors_total",
        "counter",
        "RPCs that failed by the server's fault: INTERNAL, UNKNOWN, UNAVAILABLE, DATA_LOSS, and DEADLINE_EXCEEDED after"
        " admission; never a limit's refusal",
        ("method", "code"),
    ),
    Family("ragents_inflight_requests", "gauge", "calls and jobs that have a slot or wait for one"),
    Family("ragents_executing_requests", "gauge", "calls and jobs that have a slot"),
    Family("ragents_slots", "gauge", "slots that there are"),
    Family("ragents_queue_depth", "gauge", "calls and jobs that wait for a slot", ("priority",)),
    Family("ragents_queue_wait_seconds", "histogram", "seconds until there was a slot", ("priority",), CALL_SECONDS),
    Family("ragents_shed_total", "counter", "sent away: the line is full, or time is short", ("reason", "priority")),
    Family("ragents_limited_total", "counter", "refused by a limit of the caller's", ("limit",), read=True),
    Family(
        "ragents_cache_requests_total",
        "counter",
        "look-ups in a cache, `hit` or `miss`",
        ("layer", "outcome"),
        read=True,
    ),
    Family("ragents_cache_evictions_total", "counter", "entries that made room for others", ("layer",), read=True),
    Family(
        "ragents_cache_errors_total",
        "counter",
        "look-ups and writes that the shared cache failed",
        ("layer",),
        read=True,
    ),
    Family("ragents_cache_bad_hits_total", "counter", "hits that callers reported as wrong", ("layer",), read=True),
    Family("ragents_cache_bytes", "gauge", "bytes in the processes' own memory", ("layer",)),
    Family("ragents_cache_entries", "gauge", "entries in the processes' own memory", ("layer",)),
    Family(
        "ragents_breaker_open",
        "gauge",
        "1 while a dependency fails and is left alone",
        ("dependency",),
        merged="max",
    ),
    Family("ragents_answers_total", "counter", "answers given, `cited`, `uncited` or `refused`", ("outcome",)),
    Family("ragents_retrieval_seconds", "histogram", "seconds of a part of retrieval", ("leg",), WORK_SECONDS),
    Family("ragents_ingested_documents_total", "counter", "documents put, by what became of them", ("outcome",)),
    Family("ragents_ingested_passages_total", "counter", "passages of documents put"),
    Family("ragents_ingestion_seconds", "histogram", "seconds from a document to its vectors", (), WORK_SECONDS),
    Family("ragents_model_requests_total", "counter", "requests to a model's provider", ("model", "outcome")),
    Family("ragents_model_seconds", "histogram", "seconds of such a request", ("model",), WORK_SECONDS),
    Family("ragents_model_first_token_seconds", "histogram", "seconds to its first word", ("model",), WORK_SECONDS),
    Family(
        "ragents_model_tokens_total",
        "counter",
        "tokens of a chat model, `input` or `output`",
        ("model", "direction"),
        read=True,
    ),
    Family(
        "ragents_model_cost_dollars_total",
        "counter",
        "what these tokens cost, where RAGENTS_MODEL_PRICES tells",
        ("model",),
        read=True,
    ),
    Family("ragents_tool_seconds", "histogram", "seconds of an agent's call of a tool", ("tool",), WORK_SECONDS),
    Family("ragents_checkpoints_total", "counter", "checkpoints put, by what became of them", ("outcome",)),
    Family("ragents_checkpoint_bytes", "histogram", "bytes of a checkpoint as stored", (), SIZES),
    Family("ragents_checkpoint_seconds", "histogram", "seconds until it is stored", (), CALL_SECONDS),
    Family("ragents_active_threads", "gauge", "threads with a run under way"),
    Family("ragents_batch_jobs", "gauge", "questions of batches, `waiting` or `dead`", ("state",), merged="max"),
    Family("ragents_database_connections", "gauge", "the pool's connections, `used` or `idle`", ("state",)),
    Family("ragents_database_connections_most", "gauge", "connections that the pool may have"),
    Family("ragents_redis_connections", "gauge", "connections to a Redis", ("role",)),
    Family("ragents_grpc_connections", "gauge", "open connections of clients", (), merged="max"),
    Family("ragents_event_loop_lag_seconds", "gauge", "the longest that the loop was late in 10 s", (), merged="max"),
    Family("ragents_trace_spans_dropped_total", "counter", "spans that were not sent to Opik"),
    Family("ragents_build_info", "gauge", "1, for each version that runs", ("version",), merged="max"),
    Family("ragents_uptime_seconds", "gauge", "seconds since the start", (), merged="max"),
)
BY_NAME = {family.name: family for family in FAMILIES}
