-- name: recent
-- Versions that are gone now, with the number of the row that tells it.
SELECT r.number, r.tenant, r.document, r.version FROM document_removals r
LEFT JOIN documents d ON d.id = r.document AND d.version = r.version
WHERE r.remove_time > now() - $1::interval AND r.number > $2 AND d.id IS NULL
ORDER BY r.number LIMIT $3

-- name: forget_old
DELETE FROM document_removals WHERE remove_time < now() - $1::interval
