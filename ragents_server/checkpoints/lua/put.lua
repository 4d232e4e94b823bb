-- token, milliseconds, keep, name, entry, row, whether the turn has ended; how many digests must be there, these, and
-- after them digests and parts.
local token, milliseconds, keep, name, row = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local entry = cjson.decode(ARGV[5])
local cut = string.find(name, '\0', 1, true)
local is_root, id = cut == 1, string.sub(name, cut + 1)
local head = redis.call('HGET', FACTS, 'head') or nil
local stored = redis.call('HGET', INDEX, name)

if text(token) and is_root and head ~= text(entry.parent) and not (head == id and redis.call('HGET', ROWS, name) == row) then
    return 'lost' -- the same put once more is none: its reply may have been lost
end
local after = 8 + tonumber(ARGV[8])
for at = 9, after do
    if redis.call('HEXISTS', PARTS, ARGV[at]) == 0 then
        return 'lacking'
    end
end
if not holds(token) then
    return 'lost'
end
local old = stored and entry_of(name, stored)
entry.n = old and old.n or redis.call('HINCRBY', FACTS, 'n', 1)
redis.call('HSET', INDEX, name, cjson.encode(entry))
redis.call('HSET', ROWS, name, row)
for at = after + 1, #ARGV, 2 do
    redis.call('HSET', PARTS, ARGV[at], ARGV[at + 1])
end
if old then
    clear({ old }, entries())
end
if is_root then
    redis.call('HSET', FACTS, 'head', id)
    if ARGV[7] == '1' then
        redis.call('HSET', FACTS, 'base', id)
    end
end
if text(keep) then
    retain(tonumber(keep))
end
touch(milliseconds)
return 'put'
