-- name: get
SELECT t.*, r.state, r.outcome, t.leased_until > clock_timestamp() AS leased
FROM threads t LEFT JOIN runs r ON r.id = t.run
WHERE t.key = $1

-- name: list
SELECT t.*, r.state, r.outcome, t.leased_until > clock_timestamp() AS leased
FROM threads t LEFT JOIN runs r ON r.id = t.run
WHERE t.tenant = $1 AND t.owner = $2
    AND ($3::timestamptz IS NULL OR (t.update_time, t.key) < ($3, $4::text COLLATE "C"))
ORDER BY t.update_time DESC, t.key DESC
LIMIT $5

-- name: fork
INSERT INTO threads (key, tenant, owner, id, agent, title, turns, fork)
VALUES ($1, $2, $3, $4, $5, $6, 0, $7)
ON CONFLICT (key) DO UPDATE SET fork = threads.fork
RETURNING fork, head

-- name: forked
UPDATE threads SET head = $2, base = $2, turns = $3, update_time = now() WHERE key = $1 AND base IS NULL

-- name: fence
UPDATE threads SET token = token + 1, leased_until = '-infinity' WHERE key = $1 RETURNING token

-- name: forget_runs
DELETE FROM runs WHERE id IN (
    SELECT r.id FROM runs r JOIN threads t ON t.key = r.thread
    WHERE r.update_time < now() - $1::interval AND r.state NOT IN (1, 2) AND t.run IS DISTINCT FROM r.id
    ORDER BY r.update_time LIMIT $2
    FOR UPDATE OF r SKIP LOCKED
)

-- name: delete
WITH gone AS (DELETE FROM threads WHERE key = $1 RETURNING key)

-- name: expire
WITH gone AS (
    DELETE FROM threads WHERE key IN (
        SELECT key FROM threads
        WHERE update_time < now() - $1::interval AND leased_until < clock_timestamp()
        ORDER BY update_time LIMIT $2
        FOR UPDATE SKIP LOCKED
    ) RETURNING key
)

-- name: with_checkpoints
-- Goes on from `gone`: the keys of threads that were deleted, their runs and events with them.
,
    writes AS (DELETE FROM checkpoint_writes w USING gone WHERE w.thread = gone.key),
    segments AS (DELETE FROM checkpoint_segments s USING gone WHERE s.thread = gone.key),
    checkpoints AS (DELETE FROM checkpoints c USING gone WHERE c.thread = gone.key)
SELECT count(*)::int FROM gone
