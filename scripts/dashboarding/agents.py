"""Turns of agents, their tools, and what is saved of them; questions in the background."""

from scripts.dashboarding.panels import OURS, SELECTED, Dashboard, Panel, Query, quantile, quantiles, rate, total

TURNS = f'{OURS},grpc_method=~"Run|StreamRun"'

DASHBOARD = Dashboard(
    "agents",
    "RAGents: agents and checkpoints",
    [
        (
            "Turns",
            [
                Panel(
                    "Turns by status",
                    "reqps",
                    "Turns ended in a second, by what was answered.",
                    [
                        Query(
                            rate("grpc_server_handled_total", "grpc_method, grpc_code", TURNS),
                            "{{grpc_method}} {{grpc_code}}",
                        )
                    ],
                    stacked=True,
                ),
                Panel(
                    "Time of a turn",
                    "s",
                    "From its call to its answer.",
                    quantiles("grpc_server_handling_seconds", TURNS),
                ),
                Panel(
                    "Threads at work",
                    "short",
                    "Conversations with a run under way.",
                    [Query(total("ragents_active_threads", "instance"), "{{instance}}")],
                ),
            ],
        ),
        (
            "Tools",
            [
                Panel(
                    "Calls of tools",
                    "ops",
                    "By tool.",
                    [Query(rate("ragents_tool_seconds_count", "tool"), "{{tool}}")],
                ),
                Panel(
                    "Time of a tool",
                    "s",
                    "95 % of its calls take no longer.",
                    [Query(quantile(0.95, "ragents_tool_seconds", "tool"), "{{tool}}")],
                ),
            ],
        ),
        (
            "Checkpoints",
            [
                Panel(
                    "Checkpoints",
                    "ops",
                    "Steps of runs that were saved, or could not be.",
                    [Query(rate("ragents_checkpoints_total", "outcome"), "{{outcome}}")],
                ),
                Panel(
                    "Size of a checkpoint",
                    "bytes",
                    "As it is stored. It grows with the conversation.",
                    quantiles("ragents_checkpoint_bytes"),
                ),
                Panel(
                    "Time to save one",
                    "s",
                    "Until it is durable.",
                    quantiles("ragents_checkpoint_seconds"),
                ),
            ],
        ),
        (
            "Batches",
            [
                Panel(
                    "Questions of batches",
                    "short",
                    "That wait for a worker, and that were given up after all attempts.",
                    [Query(f"max by (state) (ragents_batch_jobs{{{SELECTED}}})", "{{state}}")],
                ),
            ],
        ),
    ],
)
