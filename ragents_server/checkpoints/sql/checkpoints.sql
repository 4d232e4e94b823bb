-- name: put
SELECT item, verdict
FROM put_checkpoints_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)

-- name: prune
SELECT retain_checkpoints_1($1::text[], array_fill(0, ARRAY[cardinality($1::text[])]))

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
    FROM unnest(f.digests) AS d(digest) JOIN checkpoint_segments s ON s.thread = f.thread AND s.digest = d.digest
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
SELECT delete_checkpoint_runs_1($1)

-- name: rewind
SELECT rewind_checkpoints_1($1, $2, $3)
