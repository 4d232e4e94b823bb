-- name: put
-- Each checkpoint of a batch, of as many threads: fenced, stored, its thread pruned, in one statement.
WITH RECURSIVE item AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::bytea[],
        $9::bytea[], $10::bytea[], $11::bytea[], $12::integer[], $13::bigint[], $14::text[], $15::bytea[]
    ) AS g(thread, ns, id, parent, root, open, metadata, digests, body, tag, needs, keep, token, run, outcome)
), part AS MATERIALIZED (
    SELECT * FROM unnest($16::text[], $17::bytea[], $18::bytea[]) AS g(thread, digest, body)
), held AS MATERIALIZED ( -- the thread's row is locked, so that nobody takes the thread over meanwhile
    SELECT t.key FROM threads t JOIN item ON item.thread = t.key AND item.token = t.token
    WHERE item.ns <> '' OR t.head IS NOT DISTINCT FROM item.parent
    ORDER BY t.key FOR NO KEY UPDATE OF t
), lacking AS MATERIALIZED (
    SELECT DISTINCT item.thread FROM item, generate_series(0, length(item.needs) / 16 - 1) AS place
    WHERE NOT EXISTS (
        SELECT FROM checkpoint_segments s
        WHERE s.thread = item.thread AND s.digest = substring(item.needs FROM place * 16 + 1 FOR 16)
    )
), accepted AS MATERIALIZED (
    SELECT item.*, CASE WHEN item.outcome IS NULL THEN t.base ELSE item.id END AS base, c.n, c.digests AS replaced
    FROM item
    LEFT JOIN threads t ON t.key = item.thread
    LEFT JOIN checkpoints c ON c.thread = item.thread AND c.ns = item.ns AND c.id = item.id
    WHERE (item.token IS NULL OR item.thread IN (SELECT key FROM held))
        AND item.thread NOT IN (SELECT thread FROM lacking)
), moved AS (
    UPDATE threads t SET head = a.id, base = CASE WHEN a.outcome IS NULL THEN t.base ELSE a.id END,
        turns = t.turns + (a.outcome IS NOT NULL)::integer,
        leased_until = CASE WHEN a.outcome IS NULL THEN t.leased_until ELSE '-infinity' END,
        update_time = CASE WHEN a.outcome IS NULL THEN t.update_time ELSE now() END
    FROM accepted a WHERE t.key = a.thread AND a.token IS NOT NULL AND a.ns = ''
), ended AS (
    UPDATE runs r SET state = 4, outcome = a.outcome, update_time = now()
    FROM accepted a WHERE r.id = a.run AND a.outcome IS NOT NULL
), stored AS (
    INSERT INTO checkpoints (thread, ns, id, parent, root, open, metadata, digests, body, tag)
    SELECT thread, ns, id, parent, root, open, metadata::json, digests, body, tag FROM accepted
    ON CONFLICT (thread, ns, id) DO UPDATE SET parent = EXCLUDED.parent, root = EXCLUDED.root, open = EXCLUDED.open,
        metadata = EXCLUDED.metadata, digests = EXCLUDED.digests, body = EXCLUDED.body, tag = EXCLUDED.tag
), parts AS (
    INSERT INTO checkpoint_segments (thread, digest, body)
    SELECT part.thread, part.digest, part.body FROM part JOIN accepted USING (thread)
    ON CONFLICT DO NOTHING
), entry AS MATERIALIZED ( -- what each thread has, then
    SELECT c.thread, c.ns, c.id, c.n, c.parent, c.root, c.open, c.digests, a.keep, a.base
    FROM accepted a JOIN checkpoints c ON c.thread = a.thread AND (c.ns <> a.ns OR c.id <> a.id)
    WHERE a.keep IS NOT NULL
    UNION ALL
    SELECT thread, ns, id, coalesce(n, 9223372036854775807), parent, root, open, digests, keep, base
    FROM accepted WHERE keep IS NOT NULL
), loose AS MATERIALIZED (
    SELECT thread, replaced AS digests FROM accepted WHERE replaced <> digests
)

-- name: retain
-- Goes on from `entry`: (thread, ns, id, n, parent, root, open, digests, keep, base). What must stay: the root graph's
-- latest checkpoint and the one that the last answered turn ended with; of each subgraph that is under way its latest;
-- of each that remembers from call to call (its namespace names no task) the latest, and the latest at that answer;
-- and whatever an open one is rebuilt from. What is over `keep` goes, the oldest first, subgraphs' with their root's.
, head AS MATERIALIZED (
    SELECT thread, (array_agg(id ORDER BY n DESC))[1] AS id, (array_agg(n ORDER BY n DESC))[2] AS before,
        max(n) FILTER (WHERE id = base) AS base_n
    FROM entry WHERE ns = '' GROUP BY thread
), placed AS MATERIALIZED (
    SELECT e.*, r.n AS root_n, r.open AS root_open, coalesce(r.n, e.n) AS unit, h.base_n,
        h.id AS head, position(':' IN e.ns) = 0 AS lasting,
        -- A subgraph's may come before its root's, which is saved in the background: then it is under way.
        r.n IS NULL AND (e.root IS NULL OR h.id IS NULL OR e.root > h.id OR e.n > coalesce(h.before, 0)) AS early
    FROM entry e
    LEFT JOIN head h USING (thread)
    LEFT JOIN entry r ON e.ns <> '' AND r.thread = e.thread AND r.ns = '' AND r.id = e.root
), judged AS MATERIALIZED (
    SELECT p.*,
        CASE WHEN ns = '' THEN id = head OR id = base
            ELSE first_value(n) OVER latest = n AND (lasting OR root = head OR early)
                OR lasting AND unit < base_n AND first_value(n) OVER answered = n
        END AS needed,
        ns <> '' AND first_value(n) OVER under <> n AS superseded
    FROM placed p
    WINDOW latest AS (PARTITION BY thread, ns ORDER BY n DESC),
        answered AS (PARTITION BY thread, ns ORDER BY coalesce(unit < base_n, false) DESC, n DESC),
        under AS (PARTITION BY thread, ns, root ORDER BY n DESC)
), ranked AS MATERIALIZED (
    SELECT thread, ns, id, parent, open, digests, keep, coalesce(needed, false) AS needed,
        coalesce(root_open, false) AS root_open,
        row_number() OVER (
            PARTITION BY thread ORDER BY coalesce(needed, false) DESC, superseded, unit DESC, ns <> '', n DESC
        ) AS place
    FROM judged
), kept AS (
    SELECT thread, ns, id, parent, open FROM ranked WHERE needed OR place <= keep AND NOT open AND NOT root_open
    UNION
    SELECT r.thread, r.ns, r.id, r.parent, r.open
    FROM kept k JOIN ranked r ON k.open AND r.thread = k.thread AND r.ns = k.ns AND r.id = k.parent
), gone AS MATERIALIZED (
    SELECT r.* FROM ranked r
    WHERE EXISTS (SELECT FROM ranked o WHERE o.thread = r.thread AND o.place > o.keep)
        AND NOT EXISTS (SELECT FROM kept k WHERE k.thread = r.thread AND k.ns = r.ns AND k.id = r.id)
), dropped AS (
    DELETE FROM checkpoints c USING gone g WHERE c.thread = g.thread AND c.ns = g.ns AND c.id = g.id
), unwritten AS (
    DELETE FROM checkpoint_writes w USING gone g WHERE w.thread = g.thread AND w.ns = g.ns AND w.checkpoint = g.id
), unreferred AS (
    SELECT DISTINCT u.thread, substring(u.digests FROM place * 16 + 1 FOR 16) AS digest
    FROM (SELECT thread, digests FROM gone UNION ALL SELECT thread, digests FROM loose) u,
        generate_series(0, length(u.digests) / 16 - 1) AS place
), cleared AS (
    DELETE FROM checkpoint_segments s USING unreferred u
    WHERE s.thread = u.thread AND s.digest = u.digest AND NOT EXISTS (
        SELECT FROM entry e
        WHERE e.thread = u.thread AND position(u.digest IN e.digests) > 0
            AND NOT EXISTS (SELECT FROM gone g WHERE g.thread = e.thread AND g.ns = e.ns AND g.id = e.id)
    )
)

-- name: put_answer
SELECT thread, thread IN (SELECT thread FROM lacking) AS lacking,
    token IS NOT NULL AND thread NOT IN (SELECT key FROM held) AS lost
FROM item

-- name: prune
WITH RECURSIVE entry AS MATERIALIZED (
    SELECT c.thread, c.ns, c.id, c.n, c.parent, c.root, c.open, c.digests, 0 AS keep, t.base
    FROM checkpoints c LEFT JOIN threads t ON t.key = c.thread WHERE c.thread = ANY($1::text[])
), loose AS (
    SELECT thread, digests FROM entry WHERE false
)

-- name: prune_answer
SELECT count(*) FROM gone

-- name: put_writes
WITH item AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::bytea[],
        $9::bytea[], $10::bigint[]
    ) AS g(thread, ns, checkpoint, task, idx, path, channel, body, tag, token)
), held AS MATERIALIZED (
    SELECT t.key, t.token FROM threads t
    WHERE (t.key, t.token) IN (SELECT thread, token FROM item)
    ORDER BY t.key FOR SHARE
), stored AS (
    INSERT INTO checkpoint_writes (thread, ns, checkpoint, task, idx, path, channel, body, tag)
    SELECT thread, ns, checkpoint, task, idx, path, channel, body, tag FROM item
    WHERE token IS NULL OR (thread, token) IN (SELECT key, token FROM held)
    ON CONFLICT (thread, ns, checkpoint, task, idx) DO UPDATE
        SET path = EXCLUDED.path, channel = EXCLUDED.channel, body = EXCLUDED.body, tag = EXCLUDED.tag
        WHERE EXCLUDED.idx < 0
)
SELECT DISTINCT thread, token FROM item
WHERE token IS NOT NULL AND (thread, token) NOT IN (SELECT key, token FROM held)

-- name: get
WITH found AS (
    SELECT c.*, 0 AS place FROM checkpoints c
    WHERE c.thread = $2 AND c.ns = $3 AND ($4::text IS NULL OR c.id = $4)
    ORDER BY c.n DESC LIMIT 1
)

-- name: list
WITH earlier AS (
    SELECT b.ns, b.n FROM checkpoints b
    WHERE b.id = $6 AND ($7::text = '' OR b.thread = $7)
    ORDER BY b.ns <> $8, b.n LIMIT 1
), found AS (
    SELECT c.*, -c.n AS place FROM checkpoints c LEFT JOIN earlier b ON true
    WHERE ($2::text IS NULL OR c.thread = $2) AND ($3::text IS NULL OR c.ns = $3) AND ($4::text IS NULL OR c.id = $4)
        AND ($5::text IS NULL OR c.metadata::jsonb @> $5::text::jsonb)
        AND ($6::text IS NULL OR CASE
            WHEN b.n IS NULL THEN c.id < $6 -- it is gone, or never was
            WHEN b.ns = c.ns THEN c.n < b.n
            ELSE coalesce((
                SELECT r.n FROM checkpoints r
                WHERE r.thread = c.thread AND r.ns = b.ns AND r.id = c.metadata -> 'parents' ->> b.ns
            ), c.n) < b.n END)
        AND ($9::bigint IS NULL OR c.n < $9)
    ORDER BY c.n DESC LIMIT $10
)

-- name: line
WITH RECURSIVE up AS (
    (
        SELECT c.*, 1 AS place FROM checkpoints c
        WHERE c.thread = $2 AND c.ns = $3 AND ($4::text IS NULL OR c.id = $4)
        ORDER BY c.n DESC LIMIT 1
    )
    UNION ALL
    SELECT c.*, up.place + 1 FROM up JOIN checkpoints c ON c.thread = up.thread AND c.ns = up.ns AND c.id = up.parent
    WHERE up.place < $5
), found AS (
    SELECT * FROM up
)

-- name: whole
-- Goes on from `found`: each with its writes, and its parts but those that the asker holds.
SELECT f.thread, f.ns, f.id, f.n, f.parent, f.root, f.open, f.metadata::text AS metadata, f.digests, f.body, f.tag,
    w.tasks, w.idxs, w.paths, w.channels, w.bodies, w.tags, s.parts, s.contents
FROM found f
LEFT JOIN LATERAL (
    SELECT array_agg(w.task) AS tasks, array_agg(w.idx) AS idxs, array_agg(w.path) AS paths,
        array_agg(w.channel) AS channels, array_agg(w.body) AS bodies, array_agg(w.tag) AS tags
    FROM checkpoint_writes w WHERE w.thread = f.thread AND w.ns = f.ns AND w.checkpoint = f.id
) w ON true
LEFT JOIN LATERAL (
    SELECT array_agg(s.digest) AS parts, array_agg(s.body) AS contents
    FROM generate_series(0, length(f.digests) / 16 - 1) AS place
    JOIN checkpoint_segments s ON s.thread = f.thread AND s.digest = substring(f.digests FROM place * 16 + 1 FOR 16)
    WHERE s.digest <> ALL($1::bytea[])
) s ON true
ORDER BY f.place

-- name: delete
WITH segments AS (
    DELETE FROM checkpoint_segments WHERE thread = ANY($1::text[])
), writes AS (
    DELETE FROM checkpoint_writes WHERE thread = ANY($1::text[])
)
DELETE FROM checkpoints WHERE thread = ANY($1::text[])

-- name: delete_runs
WITH gone AS (
    DELETE FROM checkpoints WHERE metadata ->> 'run_id' = ANY($1::text[]) RETURNING thread, ns, id, digests
)

-- name: rewind
WITH held AS MATERIALIZED (
    SELECT key FROM threads WHERE key = $1 AND token = $3::bigint FOR NO KEY UPDATE
), target AS MATERIALIZED (
    SELECT n FROM checkpoints WHERE thread = $1 AND ns = '' AND id = $2::text
), accepted AS MATERIALIZED (
    SELECT (SELECT n FROM target) AS n
    WHERE ($3::bigint IS NULL OR EXISTS (SELECT FROM held)) AND ($2::text IS NULL OR EXISTS (SELECT FROM target))
), gone AS (
    DELETE FROM checkpoints c USING accepted a
    WHERE c.thread = $1 AND (a.n IS NULL OR CASE WHEN c.ns = '' THEN c.n > a.n ELSE coalesce((
        SELECT r.n FROM checkpoints r WHERE r.thread = c.thread AND r.ns = '' AND r.id = c.root
    ), c.n) >= a.n END)
    RETURNING c.thread, c.ns, c.id, c.digests
), moved AS (
    UPDATE threads t SET head = $2 FROM accepted WHERE t.key = $1 AND t.token = $3::bigint
), stale AS ( -- writes to the checkpoint itself stay only where it waits for a reply; they were made by what is undone
    DELETE FROM checkpoint_writes w USING accepted
    WHERE w.thread = $1 AND NOT EXISTS (
        SELECT FROM checkpoints c WHERE c.thread = $1 AND c.ns = w.ns AND c.id = w.checkpoint
            AND NOT EXISTS (SELECT FROM gone g WHERE g.ns = c.ns AND g.id = c.id)
            AND (c.ns <> '' OR c.id IS DISTINCT FROM $2 OR EXISTS (
                SELECT FROM checkpoint_writes i
                WHERE i.thread = $1 AND i.ns = '' AND i.checkpoint = $2 AND i.channel = '__interrupt__'
            ))
    )
)

-- name: clear
-- Goes on from `gone`: (thread, ns, id, digests), which were deleted.
, unwritten AS (
    DELETE FROM checkpoint_writes w USING gone g WHERE w.thread = g.thread AND w.ns = g.ns AND w.checkpoint = g.id
), unreferred AS (
    SELECT DISTINCT g.thread, substring(g.digests FROM place * 16 + 1 FOR 16) AS digest
    FROM gone g, generate_series(0, length(g.digests) / 16 - 1) AS place
), cleared AS (
    DELETE FROM checkpoint_segments s USING unreferred u
    WHERE s.thread = u.thread AND s.digest = u.digest AND NOT EXISTS (
        SELECT FROM checkpoints c
        WHERE c.thread = u.thread AND position(u.digest IN c.digests) > 0
            AND NOT EXISTS (SELECT FROM gone g WHERE g.thread = c.thread AND g.ns = c.ns AND g.id = c.id)
    )
)

-- name: delete_runs_answer
SELECT count(*) FROM gone

-- name: rewind_answer
SELECT EXISTS (SELECT FROM held) AS held, EXISTS (SELECT FROM accepted) AS accepted
