-- name: put
SELECT item, lease, verdict FROM put_checkpoints_1(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
    $19, $20, $21, $22, $23, $24, $25, $26, $27, $28
)

-- name: prune
SELECT retain_checkpoints_1($1::text[], array_fill(0, ARRAY[cardinality($1::text[])]))

-- name: get
-- For each of some threads.
WITH found AS (
    SELECT c.*, g.place
    FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS g(thread, ns, id, place), LATERAL (
        SELECT * FROM checkpoints c
        WHERE c.thread = g.thread AND c.ns = g.ns AND (g.id IS NULL OR c.id = g.id)
        ORDER BY c.n DESC LIMIT 1
    ) c
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
    f.place, w.tasks, w.idxs, w.paths, w.channels, w.bodies, w.tags, s.parts, s.contents
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
