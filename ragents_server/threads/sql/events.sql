-- name: append
WITH unsynced AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO run_events (run, seq, last, events)
SELECT g.run, g.seq, g.last, g.events
FROM unsynced, unnest($1::text[], $2::integer[], $3::integer[], $4::integer[], $5::bytea[])
    AS g(run, attempt, seq, last, events)
JOIN runs r ON r.id = g.run AND r.attempt = g.attempt -- else a replica that was frozen tells its story beside another's
FOR KEY SHARE OF r -- else one that is deleted at this moment would fail all of the others
ON CONFLICT DO NOTHING
RETURNING run, seq

-- name: watch
SELECT g.n, r.state, r.outcome, t.run = r.id AND t.leased_until > clock_timestamp() AS leased, e.events,
    (SELECT CASE z.events WHEN '' THEN z.last END FROM run_events z WHERE z.run = g.run ORDER BY z.seq DESC LIMIT 1)
        AS outcome_seq
FROM unnest($1::text[], $2::integer[]) WITH ORDINALITY AS g(run, after, n)
LEFT JOIN runs r ON r.id = g.run
LEFT JOIN threads t ON t.key = r.thread
LEFT JOIN LATERAL (
    SELECT seq, last, events FROM run_events WHERE run = g.run AND last > g.after ORDER BY seq LIMIT 200
) e ON true
ORDER BY g.n, e.seq

-- name: expire
DELETE FROM run_events WHERE run IN (
    SELECT r.id FROM runs r
    WHERE r.update_time < now() - $1::interval AND r.state NOT IN (1, 2)
        AND EXISTS (SELECT FROM run_events e WHERE e.run = r.id)
    LIMIT $2
)
