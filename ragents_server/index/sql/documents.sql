-- name: current
SELECT version, media_type, metadata = $2::text::jsonb AS same_metadata FROM documents WHERE id = $1

-- name: update_metadata
UPDATE documents SET metadata = $2::text::jsonb, media_type = $3, update_time = now() WHERE id = $1

-- name: write
INSERT INTO documents
    (id, collection, name, version, media_type, size, metadata, passages, embedded, leased_until)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $8 = 0, now() + $9)
ON CONFLICT (id) DO UPDATE SET
    version = excluded.version, media_type = excluded.media_type, size = excluded.size, metadata = excluded.metadata,
    passages = excluded.passages, embedded = excluded.embedded, leased_until = excluded.leased_until, update_time = now()

-- name: remember_removal
INSERT INTO document_removals (tenant, document, version)
SELECT c.tenant, d.id, d.version FROM documents d JOIN collections c ON c.id = d.collection WHERE d.id = $1

-- name: forget_terms
INSERT INTO term_changes (collection, key, passages)
SELECT collection, key, -count(*) FROM passage_terms, unnest(keys) AS key
WHERE passage IN (SELECT id FROM passages WHERE document = $1)
GROUP BY collection, key

-- name: measure
SELECT count(*)::integer AS passages, coalesce(sum(length), 0)::bigint AS terms FROM passage_terms
WHERE passage IN (SELECT id FROM passages WHERE document = $1)

-- name: delete_passages
DELETE FROM passages WHERE document = $1

-- name: delete
DELETE FROM documents WHERE id = $1

-- name: reserve
SELECT nextval('passages_id_seq') FROM generate_series(1, $1)

-- name: get
SELECT d.id, c.name AS collection, d.name, d.version, d.media_type, d.size, d.embedded, d.metadata::text AS metadata,
    d.passages, d.create_time, d.update_time
FROM documents d JOIN collections c ON c.id = d.collection
WHERE d.id = $1 AND c.tenant = $2

-- name: list
SELECT d.id, c.name AS collection, d.name, d.version, d.media_type, d.size, d.embedded, d.metadata::text AS metadata,
    d.passages, d.create_time, d.update_time
FROM documents d JOIN collections c ON c.id = d.collection
WHERE c.tenant = $1 AND c.name = $2 AND d.name ^@ $3 AND d.name > $4
ORDER BY d.name LIMIT $5

-- name: exists
SELECT true FROM documents WHERE id = $1
