-- name: place
SELECT c.tenant, c.name AS collection FROM documents d JOIN collections c ON c.id = d.collection WHERE d.id = $1

-- name: aim
SELECT c.id, c.embedding_model, c.dimension FROM documents d JOIN collections c ON c.id = d.collection
WHERE d.id = $1 AND c.generation = $2

-- name: embedded
SELECT p.id, EXISTS (SELECT FROM passage_vectors v WHERE v.passage = p.id AND v.generation = $2) AS embedded
FROM passages p WHERE p.document = $1

-- name: renew
UPDATE documents SET embedded = $2, leased_until = now() + $3 WHERE id = $1

-- name: claim
UPDATE documents d SET leased_until = now() + $3
FROM (
    SELECT d.id FROM documents d JOIN collections c ON c.id = d.collection
    WHERE NOT d.embedded AND d.leased_until < now() AND c.embedding_model = $1
    ORDER BY d.leased_until LIMIT $2 FOR UPDATE OF d SKIP LOCKED
) AS due, collections c
WHERE d.id = due.id AND c.id = d.collection
RETURNING d.id, d.name, c.tenant, c.name AS collection, c.generation

-- name: take
UPDATE documents d SET leased_until = now() + $3
FROM collections c
WHERE d.id = $2 AND c.id = d.collection AND NOT d.embedded AND c.embedding_model = $1
RETURNING d.id, d.name, c.tenant, c.name AS collection, c.generation

-- name: end_leases
UPDATE documents SET leased_until = now() WHERE NOT embedded AND leased_until > now()

-- name: claimed_passages
SELECT p.id, p.text, p.sentences FROM passages p
WHERE p.document = $1
    AND NOT EXISTS (SELECT FROM passage_vectors v WHERE v.passage = p.id AND v.generation = $2)
ORDER BY p.id

-- name: has_index
SELECT to_regclass($1) IS NOT NULL

-- name: make_index
CREATE INDEX IF NOT EXISTS passage_vectors_hnsw_{dimension} ON passage_vectors
USING hnsw ((embedding::halfvec({dimension})) halfvec_ip_ops)
WHERE vector_dims(embedding) = {dimension}
