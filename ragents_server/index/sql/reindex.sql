-- name: state
SELECT id, generation, embedding_model, dimension, next_generation, next_model, next_dimension FROM collections
WHERE tenant = $1 AND name = $2

-- name: begin
UPDATE collections
SET next_generation = nextval('vector_generations'), next_model = $2, next_dimension = $3,
    stale_generations = stale_generations || array_remove(ARRAY[next_generation], NULL)
WHERE id = $1
RETURNING next_generation

-- name: next_batch
SELECT p.id, p.text, p.sentences
FROM collections c JOIN documents d ON d.collection = c.id JOIN passages p ON p.document = d.id
WHERE c.tenant = $1 AND c.name = $2
    AND NOT EXISTS (SELECT FROM passage_vectors v WHERE v.passage = p.id AND v.generation = $3)
LIMIT $4

-- name: absent
-- Passages that are being deleted are skipped: to wait for them could be to wait in a circle.
SELECT p.id, p.document FROM passages p JOIN documents d ON d.id = p.document
WHERE p.id = ANY($1::bigint[]) AND d.collection = $2
    AND NOT EXISTS (SELECT FROM passage_vectors v WHERE v.passage = p.id AND v.generation = $3)
FOR KEY SHARE OF p SKIP LOCKED

-- name: unembedded
SELECT count(*) FROM documents d JOIN passages p ON p.document = d.id
WHERE d.collection = $1
    AND NOT EXISTS (SELECT FROM passage_vectors v WHERE v.passage = p.id AND v.generation = $2)

-- name: mark_documents
-- What still lacks vectors is up for claims at once.
UPDATE documents d SET embedded = NOT found.lacks, leased_until = now()
FROM (
    SELECT d.id, EXISTS (
        SELECT FROM passages p
        WHERE p.document = d.id
            AND NOT EXISTS (SELECT FROM passage_vectors v WHERE v.passage = p.id AND v.generation = $2)
    ) AS lacks
    FROM documents d WHERE d.collection = $1
) AS found
WHERE d.id = found.id AND d.embedded = found.lacks

-- name: switch
UPDATE collections
SET generation = next_generation, embedding_model = next_model, dimension = next_dimension,
    next_generation = NULL, next_model = NULL, next_dimension = NULL,
    stale_generations = stale_generations || generation, epoch = epoch + 1, state = gen_random_uuid()
WHERE id = $1

-- name: drop_stale
WITH stale AS (
    SELECT stale_generations FROM collections WHERE tenant = $1 AND name = $2
), gone AS (
    DELETE FROM passage_vectors WHERE generation = ANY((SELECT stale_generations FROM stale)::integer[])
    RETURNING passage, generation
)
DELETE FROM sentence_vectors s USING gone WHERE s.passage = gone.passage AND s.generation = gone.generation

-- name: forget_stale
UPDATE collections SET stale_generations = '{}' WHERE tenant = $1 AND name = $2
