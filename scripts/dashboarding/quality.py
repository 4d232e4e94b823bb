"""What answers are worth, what they cost, and what the cache saves."""

from scripts.dashboarding.panels import SELECTED, Dashboard, Panel, Query, quantile, rate, share, total

LOOKED_UP = rate("ragents_cache_requests_total", "layer")
HITS = rate("ragents_cache_requests_total", "layer", f'{SELECTED},outcome="hit"')
CITED = f'{SELECTED},outcome="cited"'

DASHBOARD = Dashboard(
    "quality",
    "RAGents: answers and cache",
    [
        (
            "Answers",
            [
                Panel(
                    "Answers by worth",
                    "reqps",
                    "With citations, without any, or refused because no passage says what was asked.",
                    [Query(rate("ragents_answers_total", "outcome"), "{{outcome}}")],
                    stacked=True,
                ),
                Panel(
                    "Share with citations",
                    "percentunit",
                    "Of the answers given. A fall says that documents are missing, or that the writer changed.",
                    [
                        Query(
                            share(rate("ragents_answers_total", selected=CITED), rate("ragents_answers_total")), "cited"
                        )
                    ],
                ),
                Panel(
                    "Time of retrieval",
                    "s",
                    "95 % take no longer, for each of its parts.",
                    [Query(quantile(0.95, "ragents_retrieval_seconds", "leg"), "{{leg}}")],
                ),
            ],
        ),
        (
            "Cache",
            [
                Panel(
                    "Hit ratio by layer",
                    "percentunit",
                    "Below the line for answers the alert RagentsCacheMisses fires.",
                    [Query(share(HITS, LOOKED_UP), "{{layer}}")],
                    line=0.5,
                ),
                Panel(
                    "Look-ups",
                    "ops",
                    "By layer and outcome.",
                    [Query(rate("ragents_cache_requests_total", "layer, outcome"), "{{layer}} {{outcome}}")],
                ),
                Panel(
                    "Memory",
                    "bytes",
                    "In the replicas' own memory, without the shared Redis.",
                    [Query(total("ragents_cache_bytes", "layer"), "{{layer}}")],
                    stacked=True,
                ),
                Panel(
                    "Entries",
                    "short",
                    "In the replicas' own memory.",
                    [Query(total("ragents_cache_entries", "layer"), "{{layer}}")],
                ),
                Panel(
                    "Trouble",
                    "ops",
                    "Entries that made room, requests that the shared Redis failed, hits reported as wrong.",
                    [
                        Query(rate("ragents_cache_evictions_total", "layer"), "evicted {{layer}}"),
                        Query(rate("ragents_cache_errors_total", "layer"), "failed {{layer}}"),
                        Query(rate("ragents_cache_bad_hits_total", "layer"), "wrong {{layer}}"),
                    ],
                ),
            ],
        ),
        (
            "Models",
            [
                Panel(
                    "Requests",
                    "reqps",
                    "To models at their providers, by what came of them.",
                    [Query(rate("ragents_model_requests_total", "model, outcome"), "{{model}} {{outcome}}")],
                ),
                Panel(
                    "Time of a request",
                    "s",
                    "95 % take no longer: whole, and to the first word.",
                    [
                        Query(quantile(0.95, "ragents_model_seconds", "model"), "{{model}}"),
                        Query(quantile(0.95, "ragents_model_first_token_seconds", "model"), "{{model}}, first word"),
                    ],
                ),
                Panel(
                    "Tokens",
                    "cps",
                    "Read and written in a second.",
                    [Query(rate("ragents_model_tokens_total", "model, direction"), "{{model}} {{direction}}")],
                ),
                Panel(
                    "Cost of an hour",
                    "currencyUSD",
                    "At the pace of now, where RAGENTS_MODEL_PRICES has the model.",
                    [Query(f"3600 * {rate('ragents_model_cost_dollars_total', 'model')}", "{{model}}")],
                ),
            ],
        ),
        (
            "Documents",
            [
                Panel(
                    "Documents put",
                    "ops",
                    "By what became of them.",
                    [Query(rate("ragents_ingested_documents_total", "outcome"), "{{outcome}}")],
                ),
                Panel(
                    "Passages made",
                    "cps",
                    "Each has a vector and its words in the index.",
                    [Query(rate("ragents_ingested_passages_total"), "passages")],
                ),
                Panel(
                    "Time to be found",
                    "s",
                    "From a document's last byte to its vectors; 95 % take no longer.",
                    [Query(quantile(0.95, "ragents_ingestion_seconds"), "p95")],
                ),
            ],
        ),
    ],
)
