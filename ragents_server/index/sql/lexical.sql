-- name: begin_folding
SELECT pg_try_advisory_xact_lock($1)

-- name: fold
-- Only one folds a collection at a time, and nobody else writes term_counts: no row is ever waited for.
WITH folded AS (
    DELETE FROM term_changes WHERE collection = $1 RETURNING key, passages
), summed AS (
    SELECT key, sum(passages)::integer AS passages FROM folded GROUP BY key HAVING sum(passages) <> 0
)
MERGE INTO term_counts c USING summed s ON c.collection = $1 AND c.key = s.key
WHEN MATCHED AND c.passages + s.passages = 0 THEN DELETE
WHEN MATCHED THEN UPDATE SET passages = c.passages + s.passages
WHEN NOT MATCHED THEN INSERT (collection, key, passages) VALUES ($1, s.key, s.passages)

-- name: pivot
SELECT id, pivot, terms::float8 / greatest(passages, 1) AS mean, reweighing FROM collections WHERE tenant = $1 AND name = $2

-- name: set_pivot
UPDATE collections SET pivot = $2, reweighing = true WHERE id = $1

-- name: misfits
-- Passages that are being deleted are skipped: to wait for them could be to wait in a circle.
SELECT t.passage, t.length, t.pivot, t.weights
FROM documents d JOIN passages p ON p.document = d.id JOIN passage_terms t ON t.passage = p.id
WHERE d.collection = $1 AND t.pivot <> $2
LIMIT $3 FOR UPDATE OF t SKIP LOCKED

-- name: reweigh
UPDATE passage_terms SET weights = $2, pivot = $3 WHERE passage = $1

-- name: reweighed
UPDATE collections SET reweighing = false WHERE id = $1 AND pivot = $2
