-- name: lock
SELECT pg_advisory_xact_lock($1)

-- name: count
SELECT count(*) FROM cache_clearings WHERE tenant IS NOT DISTINCT FROM $1

-- name: number
-- By the clock, so that a database made anew beside the same Redis goes on where the old one was.
SELECT greatest((SELECT max(number) + 1 FROM cache_clearings), (extract(epoch FROM clock_timestamp()) * 1000)::bigint)

-- name: add
INSERT INTO cache_clearings (number, tenant, layers, collection, document, digest) VALUES ($1, $2, $3, $4, $5, $6)

-- name: fold
DELETE FROM cache_clearings WHERE tenant IS NOT DISTINCT FROM $1

-- name: since
SELECT number, tenant, layers, collection, document, digest FROM cache_clearings WHERE number > $1 ORDER BY number

-- name: forget_old
-- The last one stays: its number tells that there were others.
DELETE FROM cache_clearings
WHERE create_time < now() - $1::interval AND number < (SELECT max(number) FROM cache_clearings)
