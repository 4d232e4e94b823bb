"""Whether callers are served: rates, times, errors, refusals."""

from scripts.dashboarding.panels import (
    OURS,
    SELECTED,
    UNARY,
    Dashboard,
    Panel,
    Query,
    quantile,
    quantiles,
    rate,
    share,
    total,
)

SLO = 0.001  # of calls may fail by our fault
SERVED = f'{OURS},grpc_code!~"RESOURCE_EXHAUSTED|UNAUTHENTICATED|PERMISSION_DENIED"'
HANDLED = rate("grpc_server_handled_total", selected=SERVED)
ERRORS = rate("ragents_errors_total")

DASHBOARD = Dashboard(
    "service",
    "RAGents: service",
    [
        (
            "Calls",
            [
                Panel(
                    "Calls by method",
                    "reqps",
                    "Calls begun in a second, before any limit.",
                    [Query(rate("grpc_server_started_total", "grpc_method", OURS), "{{grpc_method}}")],
                    stacked=True,
                ),
                Panel(
                    "Calls by status",
                    "reqps",
                    "Calls ended in a second, by what was answered.",
                    [Query(rate("grpc_server_handled_total", "grpc_code", OURS), "{{grpc_code}}")],
                    stacked=True,
                ),
                Panel(
                    "Open connections",
                    "short",
                    "Connections of clients, over all replicas.",
                    [Query(total("ragents_grpc_connections", "instance"), "{{instance}}")],
                ),
            ],
        ),
        (
            "Time",
            [
                Panel(
                    "Time of a call",
                    "s",
                    "Calls that are one question and one answer. Above the line the alert RagentsSlow fires.",
                    quantiles("grpc_server_handling_seconds", UNARY),
                    line=2,
                ),
                Panel(
                    "95 % of calls by method",
                    "s",
                    "The time that 19 of 20 calls do not take longer than.",
                    [Query(quantile(0.95, "grpc_server_handling_seconds", "grpc_method", UNARY), "{{grpc_method}}")],
                ),
                Panel(
                    "Wait for a slot",
                    "s",
                    "Part of the time above; long waits say that there are too few replicas.",
                    [Query(quantile(0.95, "ragents_queue_wait_seconds", "priority"), "p95 {{priority}}")],
                ),
            ],
        ),
        (
            "Failures",
            [
                Panel(
                    "Share that failed by the server's fault",
                    "percentunit",
                    "Refusals of limits and of strangers are no failures. The line is the objective, 99.9 %.",
                    [Query(share(f"({ERRORS} or 0 * {HANDLED})", HANDLED), "failed")],
                    line=SLO,
                ),
                Panel(
                    "Failures by method and status",
                    "reqps",
                    "What failed by the server's fault.",
                    [Query(f"{rate('ragents_errors_total', 'method, code')} > 0", "{{method}} {{code}}")],
                ),
                Panel(
                    "Refused by a limit",
                    "reqps",
                    "The caller asked for more than its quota.",
                    [Query(rate("ragents_limited_total", "limit"), "{{limit}}")],
                ),
                Panel(
                    "Sent away",
                    "reqps",
                    "The line was full, or the deadline too short to wait in it.",
                    [Query(f"{rate('ragents_shed_total', 'reason, priority')} > 0", "{{reason}} {{priority}}")],
                ),
            ],
        ),
        (
            "Dependencies",
            [
                Panel(
                    "Left alone because they fail",
                    "short",
                    "1 while a dependency fails and no call goes there.",
                    [
                        Query(
                            f"max by (dependency) (ragents_breaker_open{{{SELECTED}}})",
                            "{{dependency}}",
                        )
                    ],
                ),
                Panel(
                    "Starts",
                    "short",
                    "Replicas that began anew within the last hour: rollouts, or crashes.",
                    [
                        Query(
                            f"sum by (instance) (changes(process_start_time_seconds{{{SELECTED}}}[1h]))",
                            "{{instance}}",
                        )
                    ],
                ),
                Panel(
                    "Spans lost",
                    "cps",
                    "Traces that Opik did not take in time.",
                    [Query(rate("ragents_trace_spans_dropped_total"), "spans")],
                ),
            ],
        ),
    ],
)
