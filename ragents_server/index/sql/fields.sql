-- name: scope
SELECT id, epoch, documents FROM collections WHERE tenant = $1 AND name = ANY($2::text[]) ORDER BY id

-- name: sampled
-- Of at most $3 documents of each collection: the fields that most of them have, each with its most frequent values.
WITH sample AS MATERIALIZED (
    SELECT d.media_type, d.metadata
    FROM collections c
    CROSS JOIN LATERAL (SELECT media_type, metadata FROM documents WHERE collection = c.id LIMIT $3) AS d
    WHERE c.tenant = $1 AND c.id = ANY($2::bigint[])
), held AS MATERIALIZED (
    SELECT false AS own, e.key, jsonb_typeof(e.value) AS kind,
        CASE jsonb_typeof(e.value) WHEN 'number' THEN trim_scale((e.value #>> '{}')::numeric)::text ELSE e.value #>> '{}' END AS value
    FROM sample s CROSS JOIN LATERAL jsonb_each(s.metadata) AS e
    WHERE length(e.key) BETWEEN 1 AND $4 AND jsonb_typeof(e.value) IN ('string', 'number', 'boolean')
    UNION ALL
    SELECT true, 'media_type', 'string', media_type FROM sample WHERE media_type <> ''
), counted AS (
    SELECT own, key, kind, CASE WHEN length(value) <= $5 THEN value END AS value, count(*) AS times
    FROM held GROUP BY 1, 2, 3, 4
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY own, key, kind ORDER BY times DESC, value) AS place,
        count(*) OVER (PARTITION BY own, key, kind) AS several
    FROM counted
)
SELECT own, key, kind, sum(times)::integer AS documents, max(several)::integer AS several,
    bool_and(kind = 'string' AND coalesce(value ~ '^\d{4}(-\d\d(-\d\d([T ].*)?)?)?$', false)) AS dates,
    array_agg(value ORDER BY place) FILTER (WHERE place <= $6 AND value IS NOT NULL) AS values
FROM ranked GROUP BY own, key, kind ORDER BY own DESC, documents DESC, key, kind LIMIT $7

-- name: named
-- Documents by their names, or by what stands behind the last slash, in any case.
SELECT DISTINCT d.name FROM documents d JOIN collections c ON c.id = d.collection
WHERE c.tenant = $1 AND c.name = ANY($2::text[])
    AND (lower(d.name) = ANY($3::text[]) OR lower(regexp_replace(d.name, '^.*/', '')) = ANY($3::text[]))
ORDER BY d.name LIMIT $4
