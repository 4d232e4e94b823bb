-- name: serialize
SELECT pg_advisory_xact_lock($1)
-- name: find
SELECT id, tenant, owner, digest, total, done, cancelled,
    (extract(epoch FROM create_time) * 1000)::bigint AS created, (extract(epoch FROM update_time) * 1000)::bigint AS updated
FROM batches WHERE id = $1
-- name: load
SELECT coalesce(sum(total - done), 0)::bigint AS waiting,
    coalesce(sum(total - done) FILTER (WHERE tenant = $1), 0)::bigint AS of_tenant
FROM batches WHERE NOT ended
-- name: submit
WITH batch AS (
    INSERT INTO batches (id, tenant, owner, caller, digest, total)
    VALUES ($1, $2, $3, $4, $5, cardinality($7::bytea[]))
)
INSERT INTO batch_items (batch, index, priority, question)
SELECT $1, place - 1, $6, question FROM unnest($7::bytea[]) WITH ORDINALITY AS asked(question, place) ORDER BY place
-- name: outcomes
SELECT index, outcome FROM batch_items WHERE batch = $1 AND index >= $2 AND index < $3 ORDER BY index
-- name: take
SELECT * FROM take_batch_item_1($1::smallint[], $2)
-- name: renew
WITH held AS MATERIALIZED (
    SELECT i.batch, i.index FROM batch_items i
    JOIN unnest($1::text[], $2::integer[], $3::bigint[]) AS h(batch, index, token)
        ON i.batch = h.batch AND i.index = h.index AND i.token = h.token
    WHERE i.waiting ORDER BY i.batch, i.index FOR UPDATE OF i
)
UPDATE batch_items i SET free_at = clock_timestamp() + $4 FROM held
WHERE i.batch = held.batch AND i.index = held.index RETURNING i.batch, i.index
-- name: finish
SELECT finish_batch_item_1($1, $2, $3, $4, $5)
-- name: put_off
UPDATE batch_items
SET free_at = clock_timestamp() + $4, attempts = attempts - CASE WHEN $5 THEN 0 ELSE 1 END, token = token + 1
WHERE batch = $1 AND index = $2 AND token = $3 AND waiting RETURNING true
-- name: cancel
UPDATE batches SET cancelled = true, ended = true, update_time = now() WHERE id = $1 AND NOT ended RETURNING true
-- name: cancel_items
UPDATE batch_items i SET waiting = false, question = NULL
FROM (SELECT batch, index FROM batch_items WHERE batch = $1 AND waiting ORDER BY batch, index FOR UPDATE) AS w
WHERE i.batch = w.batch AND i.index = w.index
-- name: sizes
SELECT (SELECT coalesce(sum(total - done), 0)::bigint FROM batches WHERE NOT ended) AS waiting,
    (SELECT count(*) FROM batch_items WHERE dead) AS dead
-- name: dead
SELECT batch, index FROM batch_items WHERE dead ORDER BY end_time DESC LIMIT $1
-- name: sweep
DELETE FROM batches WHERE id IN (
    SELECT id FROM batches WHERE ended AND update_time < now() - $1::interval
    ORDER BY update_time LIMIT $2 FOR UPDATE SKIP LOCKED
)
