-- name: look
SELECT t.key, t.agent, t.token, t.run AS latest, t.leased_until > clock_timestamp() AS leased,
    l.state AS latest_state,
    r.id, r.thread, r.digest, r.state, r.attempt, r.outcome,
    p.id AS replied, p.turn AS replied_turn,
    (SELECT max(e.last + (e.events <> '')::integer) FROM run_events e WHERE e.run = coalesce(r.id, p.id)) AS seq
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS g(key, run, reply_to, n)
LEFT JOIN threads t ON t.key = g.key
LEFT JOIN runs l ON l.id = t.run
LEFT JOIN runs r ON r.id = g.run
LEFT JOIN runs p ON p.reply_to = g.reply_to
ORDER BY g.n

-- name: take
-- For each of some threads; rows are made and locked in one order, or two replicas could wait for each other.
WITH item AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bytea[],
        $10::bytea[], $11::text[], $12::text[], $13::boolean[]
    ) AS g(key, tenant, owner, id, agent, title, run, token, digest, turn, caller, reply_to, detached)
    ORDER BY key
), begun AS (
    INSERT INTO threads (key, tenant, owner, id, agent, title, token, leased_until, run)
    SELECT key, tenant, owner, id, agent, title, 1, clock_timestamp() + $14::interval, run FROM item WHERE token IS NULL
    ON CONFLICT DO NOTHING
    RETURNING key, token, base
), free AS MATERIALIZED (
    SELECT t.key FROM threads t JOIN item ON t.key = item.key AND t.token = item.token
    WHERE t.leased_until <= clock_timestamp()
        AND NOT EXISTS (SELECT FROM runs WHERE runs.id = item.run AND state IN (3, 4, 6))
    ORDER BY t.key FOR NO KEY UPDATE OF t
), gone_on AS (
    UPDATE threads t SET token = t.token + 1, leased_until = clock_timestamp() + $14::interval, run = item.run
    FROM free JOIN item USING (key) WHERE t.key = free.key
    RETURNING t.key, t.token, t.base
), thread AS (
    SELECT * FROM begun UNION ALL SELECT * FROM gone_on
), run AS (
    INSERT INTO runs (id, thread, digest, turn, caller, state, reply_to, detached)
    SELECT item.run, key, item.digest, item.turn, item.caller, 2, item.reply_to, item.detached
    FROM thread JOIN item USING (key)
    ON CONFLICT (id) DO UPDATE
        SET state = 2, attempt = runs.attempt + 1, outcome = NULL, update_time = now(), detached = EXCLUDED.detached
        WHERE runs.state NOT IN (3, 4, 6)
    RETURNING id, thread, attempt
)
SELECT thread.key, thread.token, thread.base, run.attempt,
    (SELECT max(last) FROM run_events e WHERE e.run = run.id) AS seq,
    EXISTS (SELECT FROM checkpoints c WHERE c.thread = thread.key AND c.ns = '' AND c.id = thread.base) AS kept
FROM thread JOIN run ON run.thread = thread.key

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
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS g(run, tenant, owner, n)
LEFT JOIN (runs r JOIN threads t ON t.key = r.thread) ON r.id = g.run AND t.tenant = g.tenant AND t.owner = g.owner
ORDER BY g.n

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
