-- name: lock
-- Changes of documents share the collection and hold their document alone.
SELECT pg_advisory_xact_lock_shared($1), pg_advisory_xact_lock($2)

-- name: share
SELECT pg_advisory_xact_lock_shared($1)

-- name: lock_alone
SELECT pg_advisory_xact_lock($1)

-- name: find
SELECT id, embedding_model, dimension, generation, pivot FROM collections WHERE tenant = $1 AND name = $2

-- name: create
INSERT INTO collections (tenant, name, embedding_model, dimension, analyzer, pivot) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING

-- name: get
SELECT name, documents, passages, embedding_model, dimension, create_time FROM collections WHERE tenant = $1 AND name = $2

-- name: list
SELECT name, documents, passages, embedding_model, dimension, create_time FROM collections
WHERE tenant = $1 AND name > $2 AND ($3::text[] IS NULL OR name = ANY($3::text[]))
ORDER BY name LIMIT $4

-- name: changed
-- Always the last statement of its transaction: from here to the commit it holds the collection's row.
UPDATE collections
SET documents = documents + $2, passages = passages + $3, terms = terms + $4, epoch = epoch + 1,
    state = gen_random_uuid()
WHERE id = $1 RETURNING epoch

-- name: delete_counts
DELETE FROM term_counts WHERE collection = $1

-- name: delete_changes
DELETE FROM term_changes WHERE collection = $1

-- name: remember_removals
INSERT INTO document_removals (tenant, document, version)
SELECT c.tenant, d.id, d.version FROM documents d JOIN collections c ON c.id = d.collection WHERE c.id = $1

-- name: delete
DELETE FROM collections WHERE id = $1 RETURNING documents
