-- name: scope
SELECT name, generation, embedding_model, dimension, passages FROM collections WHERE tenant = $1 AND name = ANY($2::text[])

-- name: count
-- How many passages the conditions leave, as far as that decides between the plans.
SELECT count(*) FROM (
    SELECT FROM documents d JOIN collections c ON c.id = d.collection JOIN passages p ON p.document = d.id
    WHERE c.generation = ANY($1::integer[]) AND {conditions}
    LIMIT $2
) AS counted

-- name: hybrid
-- One snapshot, both legs, and both scores for the union of their best.
WITH scope AS MATERIALIZED (
    SELECT id, passages FROM collections WHERE generation = ANY($1::integer[]) AND tenant = $2
), asked AS MATERIALIZED (
    SELECT a.term, a.key, a.times, coalesce(sum(c.passages), 0)::float8 AS passages
    FROM unnest($3::integer[], $4::integer[], $5::float8[]) AS a(term, key, times)
    LEFT JOIN (
        SELECT key, passages FROM term_counts WHERE collection IN (SELECT id FROM scope) AND key = ANY($4::integer[])
        UNION ALL
        SELECT key, passages FROM term_changes WHERE collection IN (SELECT id FROM scope) AND key = ANY($4::integer[])
    ) AS c ON c.key = a.key
    GROUP BY a.term, a.key, a.times
), known AS MATERIALIZED (
    SELECT term, key, times, passages, sum(passages) OVER (PARTITION BY term) AS everywhere FROM asked
), weighed AS MATERIALIZED (
    SELECT term, key, times, passages,
        ln(1 + greatest(n - everywhere + 0.5::float8, 0.5::float8) / (everywhere + 0.5::float8)) AS idf,
        sum(passages) OVER (ORDER BY everywhere, term, key) AS candidates
    FROM known, (SELECT coalesce(sum(passages), 0)::float8 AS n FROM scope) AS size
), question AS MATERIALIZED (
    -- Candidates come from the rarest words: reading one costs about a microsecond, so $6 bounds the time.
    SELECT ('{{' || coalesce(string_agg(key || ':' || (times * idf)::real, ','), '') || '}}/1000000000')::sparsevec AS weights,
        array_agg(key) FILTER (WHERE passages > 0 AND (candidates <= $6::float8 OR candidates = passages)) AS rarest
    FROM weighed
), eligible AS MATERIALIZED (
    SELECT d.id FROM documents d WHERE d.collection IN (SELECT id FROM scope) AND {conditions}
), lexical AS MATERIALIZED (
    SELECT t.passage, (t.weights <#> (SELECT weights FROM question)) AS distance FROM passage_terms t
    WHERE t.keys && (SELECT rarest FROM question) AND t.collection = ANY(ARRAY(SELECT id FROM scope)) AND {eligible_terms}
    ORDER BY distance, t.passage LIMIT $7
), dense AS MATERIALIZED (
    {dense}
), best AS MATERIALIZED (
    SELECT passage FROM lexical WHERE distance < 0 UNION SELECT passage FROM dense
), scored AS MATERIALIZED (
    SELECT b.passage,
        0 - (t.weights <#> (SELECT weights FROM question)) AS lexical,
        0 - (v.embedding <#> $8::halfvec) AS dense
    FROM best b
    JOIN passage_terms t ON t.passage = b.passage
    LEFT JOIN passage_vectors v ON v.passage = b.passage AND v.generation = ANY($1::integer[])
)
SELECT
    (SELECT count(*) FROM scope) AS collections,
    (SELECT array_agg(idf ORDER BY term) FROM (SELECT DISTINCT term, idf FROM weighed) AS each) AS idf,
    array_agg(passage ORDER BY passage) AS passages,
    array_agg(lexical ORDER BY passage) AS lexical,
    array_agg(dense ORDER BY passage) AS dense
FROM scored

-- name: dense_none
SELECT NULL::bigint AS passage WHERE $8::halfvec IS NULL AND false

-- name: dense_exact
SELECT v.passage FROM passage_vectors v
    WHERE v.generation = ANY($1::integer[]) AND {eligible_vectors}
    ORDER BY v.embedding <#> $8::halfvec, v.passage LIMIT $7

-- name: dense_hnsw
SELECT v.passage FROM passage_vectors v
    WHERE vector_dims(v.embedding) = {dimension} AND v.generation = ANY($1::integer[]) AND {eligible_vectors}
    ORDER BY v.embedding::halfvec({dimension}) <#> $8::halfvec({dimension}) LIMIT $7

-- name: walk_hnsw
SELECT set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.ef_search', $1, true)

-- name: passages
SELECT p.id AS passage, p.span_start, p.span_end, p.first_page, p.last_page, p.first_line, p.heading, p.text, p.sentences,
    d.id, c.name AS collection, d.name, d.version, d.media_type, d.metadata::text AS metadata,
    v.embedding, s.vectors
FROM unnest($2::bigint[]) WITH ORDINALITY AS wanted(id, place)
JOIN passages p ON p.id = wanted.id
JOIN documents d ON d.id = p.document
JOIN collections c ON c.id = d.collection
LEFT JOIN passage_vectors v ON v.passage = p.id AND v.generation = c.generation AND ($3::text IS NULL OR c.embedding_model = $3)
LEFT JOIN sentence_vectors s ON s.passage = p.id AND s.generation = c.generation AND ($3::text IS NULL OR c.embedding_model = $3)
WHERE c.tenant = $1
ORDER BY wanted.place
