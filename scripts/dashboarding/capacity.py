"""Whether there is room: slots, lines, processor, memory, connections, and how even replicas are."""

from scripts.dashboarding.panels import OURS, SELECTED, WINDOW, Dashboard, Panel, Query, quantile, rate, total

DASHBOARD = Dashboard(
    "capacity",
    "RAGents: capacity",
    [
        (
            "Slots",
            [
                Panel(
                    "In flight",
                    "short",
                    "Calls that have a slot or wait for one, and the slots there are. The HPA follows the first.",
                    [
                        Query(total("ragents_inflight_requests"), "in flight"),
                        Query(total("ragents_executing_requests"), "at work"),
                        Query(total("ragents_slots"), "slots"),
                    ],
                ),
                Panel(
                    "Line",
                    "short",
                    "Calls that wait, by priority.",
                    [Query(total("ragents_queue_depth", "priority"), "{{priority}}")],
                    stacked=True,
                ),
                Panel(
                    "Wait",
                    "s",
                    "95 % wait no longer. Above the line the alert RagentsQueueWait fires.",
                    [Query(quantile(0.95, "ragents_queue_wait_seconds", "priority"), "{{priority}}")],
                    line=2,
                ),
            ],
        ),
        (
            "Replicas",
            [
                Panel(
                    "Replicas",
                    "short",
                    "That tell their metrics, by release.",
                    [Query(f"count by (version) (ragents_build_info{{{SELECTED}}})", "{{version}}")],
                    stacked=True,
                ),
                Panel(
                    "Calls by replica",
                    "reqps",
                    "Lines that part say that balancing is uneven.",
                    [Query(rate("grpc_server_started_total", "instance", OURS), "{{instance}}")],
                ),
                Panel(
                    "Uptime",
                    "s",
                    "Of each replica.",
                    [Query(f"max by (instance) (ragents_uptime_seconds{{{SELECTED}}})", "{{instance}}")],
                ),
            ],
        ),
        (
            "Process",
            [
                Panel(
                    "Processor",
                    "short",
                    "Cores in use.",
                    [
                        Query(
                            f"sum by (instance) (rate(process_cpu_seconds_total{{{SELECTED}}}[{WINDOW}]))",
                            "{{instance}}",
                        )
                    ],
                ),
                Panel(
                    "Memory",
                    "bytes",
                    "Resident.",
                    [Query(f"sum by (instance) (process_resident_memory_bytes{{{SELECTED}}})", "{{instance}}")],
                ),
                Panel(
                    "Event loop",
                    "s",
                    "The longest that it was late in ten seconds: what blocks it holds up every call.",
                    [Query(f"max by (instance) (ragents_event_loop_lag_seconds{{{SELECTED}}})", "{{instance}}")],
                ),
                Panel(
                    "Open files",
                    "short",
                    "And how many there may be.",
                    [
                        Query(f"max by (instance) (process_open_fds{{{SELECTED}}})", "{{instance}}"),
                        Query(f"min(process_max_fds{{{SELECTED}}})", "at most"),
                    ],
                ),
            ],
        ),
        (
            "Connections",
            [
                Panel(
                    "Database",
                    "short",
                    "Connections of the pools, and how many there may be.",
                    [
                        Query(total("ragents_database_connections", "state"), "{{state}}"),
                        Query(total("ragents_database_connections_most"), "at most"),
                    ],
                ),
                Panel(
                    "Redis",
                    "short",
                    "Connections by what they are for.",
                    [Query(total("ragents_redis_connections", "role"), "{{role}}")],
                ),
            ],
        ),
    ],
)
