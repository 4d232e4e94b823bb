-- token, milliseconds, the id of a checkpoint of the root graph or nothing: what came after it goes.
local target = text(ARGV[3])
local all, by_id = entries(), {}
for _, entry in ipairs(all) do
    if entry.ns == '' then
        by_id[entry.id] = entry
    end
end
local place = target and by_id[target]
if target and not place then
    return 'missing'
end
if not holds(ARGV[1]) then
    return 'lost'
end
local gone, others, stay = {}, {}, {}
for _, entry in ipairs(all) do
    local under = entry.ns ~= '' and by_id[entry.root]
    local n = under and under.n or entry.n
    local after = not place or n > place.n or entry.ns ~= '' and n == place.n
    local list = after and gone or others
    list[#list + 1] = entry
    stay[entry.name] = not after
end
drop(gone, others)
-- What was written after the checkpoint itself was undone with the rest, unless it waits for a reply there.
local name, waits, rest = target and '\0' .. target, false, redis.call('HKEYS', WRITES)
for _, write in ipairs(rest) do
    waits = waits or checkpoint_of(write) == name and string.sub(write, -3) == '\0' .. '-3'
end
for _, write in ipairs(rest) do
    local of = checkpoint_of(write)
    if not stay[of] or of == name and not waits then
        redis.call('HDEL', WRITES, write)
    end
end
if target then
    redis.call('HSET', FACTS, 'head', target)
else
    redis.call('HDEL', FACTS, 'head')
end
touch(ARGV[2])
return 'rewound'
