-- name: look
SELECT t.key, t.agent, t.token, t.run AS latest, t.leased_until > clock_timestamp() AS leased,
    l.state AS latest_state,
    r.id, r.thread, r.digest, r.state, r.attempt, r.outcome,
    p.id AS replied, p.turn AS replied_turn,
    (SELECT max(e.last + (e.events <> '')::integer) FROM run_events e WHERE e.run = coalesce(r.id, p.id)) AS seq
FROM (SELECT) one
LEFT JOIN threads t ON t.key = $1
LEFT JOIN runs l ON l.id = t.run
LEFT JOIN runs r ON r.id = $2
LEFT JOIN runs p ON p.reply_to = $3

-- name: take
WITH thread AS (
    INSERT INTO threads (key, tenant, owner, id, agent, title, token, leased_until, run)
    VALUES ($1, $2, $3, $4, $5, $6, 1, clock_timestamp() + $7::interval, $8)
    ON CONFLICT (key) DO UPDATE
        SET token = threads.token + 1, leased_until = EXCLUDED.leased_until, run = EXCLUDED.run
        WHERE threads.token = $9 AND threads.leased_until <= clock_timestamp()
            AND NOT EXISTS (SELECT FROM runs WHERE id = $8 AND state IN (3, 4, 6))
    RETURNING key, token, base
), run AS (
    INSERT INTO runs (id, thread, digest, turn, caller, state, reply_to, detached)
    SELECT $8, key, $10, $11, $12, 2, $13, $14 FROM thread
    ON CONFLICT (id) DO UPDATE
        SET state = 2, attempt = runs.attempt + 1, outcome = NULL, update_time = now(), detached = EXCLUDED.detached
        WHERE runs.state NOT IN (3, 4, 6)
    RETURNING attempt
)
SELECT token, base, attempt, (SELECT max(last) FROM run_events WHERE run = $8) AS seq,
    EXISTS (SELECT FROM checkpoints c WHERE c.thread = $1 AND c.ns = '' AND c.id = base) AS kept
FROM thread, run

-- name: finish
WITH thread AS (
    UPDATE threads SET token = token + 1, leased_until = '-infinity', update_time = now(),
        turns = turns + CASE WHEN $6::text IS NULL THEN 0 ELSE 1 END, base = coalesce($6::text, base)
    WHERE key = $1 AND token = $2
    RETURNING key
)
UPDATE runs SET state = $4, outcome = $5, update_time = now()
WHERE id = $3 AND state = 2 AND EXISTS (SELECT FROM thread)
RETURNING id

-- name: release
UPDATE threads SET token = token + 1, leased_until = '-infinity' WHERE key = $1 AND token = $2

-- name: restart
UPDATE runs SET attempt = attempt + 1 WHERE id = $1 AND attempt = $2 RETURNING attempt

-- name: cancel
WITH thread AS (
    UPDATE threads SET token = token + 1, leased_until = '-infinity' WHERE key = $1 AND run = $2 RETURNING key
), seen AS (SELECT count(*) FROM thread)
UPDATE runs SET state = 6, outcome = $3, update_time = now() FROM seen WHERE id = $2 AND state IN (1, 2, 3, 5)

-- name: get
SELECT r.*, t.id AS thread_id, t.key, t.agent AS thread_agent
FROM runs r JOIN threads t ON t.key = r.thread
WHERE r.id = $1 AND t.tenant = $2 AND t.owner = $3

-- name: orphans
SELECT r.id, r.turn, r.caller, t.id AS thread_id
FROM runs r JOIN threads t ON t.key = r.thread
WHERE r.detached AND r.state = 2 AND (t.leased_until < clock_timestamp() OR t.run <> r.id)
LIMIT $1

-- name: renew
-- A lease that was given back stays so: the run's last checkpoint may have ended it a moment ago.
-- Rows are locked in the order in which checkpoints lock them: in any other two statements may wait for each other.
WITH held AS MATERIALIZED (
    SELECT t.key, t.token FROM threads t
    JOIN unnest($1::text[], $2::bigint[]) AS asked(key, token) ON t.key = asked.key AND t.token = asked.token
    ORDER BY t.key FOR NO KEY UPDATE OF t
)
UPDATE threads t SET leased_until = CASE WHEN t.leased_until = '-infinity' THEN t.leased_until
    ELSE clock_timestamp() + $3::interval END
FROM held WHERE t.key = held.key
RETURNING t.key, t.token
