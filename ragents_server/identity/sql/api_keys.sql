-- name: find
SELECT
    sha256, tenant, user_id, scopes, collections, priority, quota, tools,
    extract(epoch FROM expires - now())::float8 AS seconds_left
FROM ragents_api_keys
WHERE sha256 = $1 AND revoked IS NULL AND (expires IS NULL OR expires > now())

-- name: create
INSERT INTO ragents_api_keys
    (id, sha256, tenant, user_id, scopes, collections, priority, quota, tools, label, expires)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + $11::interval)

-- name: list
SELECT id, tenant, user_id, scopes, collections, priority, quota, tools, label, created, expires, revoked
FROM ragents_api_keys
ORDER BY created, id

-- name: revoke
UPDATE ragents_api_keys SET revoked = coalesce(revoked, now()) WHERE id = $1 RETURNING id
