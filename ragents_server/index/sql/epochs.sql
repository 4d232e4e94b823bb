-- name: read
-- One snapshot of the states asked for, none where there is no such collection, and of the last clearing.
SELECT wanted.tenant, wanted.name, c.state, (SELECT max(number) FROM cache_clearings) AS clearing
FROM unnest($1::text[], $2::text[]) AS wanted (tenant, name)
LEFT JOIN collections c ON c.tenant = wanted.tenant AND c.name = wanted.name
