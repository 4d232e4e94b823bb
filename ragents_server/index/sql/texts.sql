-- name: find
-- Documents by id or by name, where that is not unique the one of the collection that comes first.
SELECT d.id, c.name AS collection, d.name, d.version, d.media_type, d.metadata::text AS metadata
FROM documents d JOIN collections c ON c.id = d.collection
WHERE c.tenant = $1 AND c.name = ANY($2::text[]) AND (d.id = $3 OR d.name = $4) AND {conditions}
ORDER BY d.id = $3 DESC NULLS LAST, array_position($2::text[], c.name) LIMIT 1

-- name: near
-- Names that a misspelt one may have meant: those that hold it or end in it, whatever its case.
SELECT d.name FROM documents d JOIN collections c ON c.id = d.collection
WHERE c.tenant = $1 AND c.name = ANY($2::text[]) AND strpos(lower(d.name), lower($3)) > 0 AND {conditions}
ORDER BY d.name LIMIT $4

-- name: size
SELECT coalesce(max(span_end), 0) FROM passages WHERE document = $1

-- name: read
-- Passages that begin between two bytes of the text, each with where those before it end; of this version only, since a
-- put may have come in between.
SELECT p.*, e.told FROM (
    SELECT id, span_start, coalesce(max(span_end) OVER (
        ORDER BY span_start, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS told
    FROM passages WHERE document = $1
) AS e JOIN passages p ON p.id = e.id JOIN documents d ON d.id = p.document
WHERE d.version = $2 AND e.span_start >= $3 AND e.span_start < $4
ORDER BY e.span_start, e.id
