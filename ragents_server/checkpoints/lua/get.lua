-- milliseconds, namespace, id or nothing; then digests of parts that are held.
local ns, id = ARGV[2], text(ARGV[3])
local found
if id then
    local entry = redis.call('HGET', INDEX, ns .. '\0' .. id)
    found = entry and entry_of(ns .. '\0' .. id, entry)
else
    for _, entry in ipairs(entries()) do
        if entry.ns == ns and (not found or entry.n > found.n) then
            found, id = entry, entry.id
        end
    end
end
touch(ARGV[1])
if not found then
    return false
end
local name, held, parts, writes = ns .. '\0' .. id, {}, {}, {}
for at = 4, #ARGV do
    held[ARGV[at]] = true
end
for _, digest in ipairs(digests_of(found)) do
    local part = not held[digest] and redis.call('HGET', PARTS, digest)
    if part then
        parts[#parts + 1] = digest
        parts[#parts + 1] = part
    end
end
for _, write in ipairs(redis.call('HKEYS', WRITES)) do
    if checkpoint_of(write) == name then
        writes[#writes + 1] = write
        writes[#writes + 1] = redis.call('HGET', WRITES, write)
    end
end
return { id, redis.call('HGET', INDEX, name), redis.call('HGET', ROWS, name), writes, parts }
