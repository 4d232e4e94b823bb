-- batch, priority, digest, tenant, owner, caller, most, most of a tenant; then the questions.
local priority, tenant = ARGV[2], ARGV[4]
local n = #ARGV - 8
if redis.call('EXISTS', META) == 1 then
    return 'there'
end
local all = tonumber(redis.call('HGET', COUNTS, '') or 0)
local theirs = tonumber(redis.call('HGET', COUNTS, 't' .. tenant) or 0)
if all + n > tonumber(ARGV[7]) or theirs + n > tonumber(ARGV[8]) then
    return 'full'
end
local first = redis.call('INCRBY', SEQ, n) - n + 1
local moment = now()
redis.call('HSET', META, 'tenant', tenant, 'owner', ARGV[5], 'caller', ARGV[6], 'digest', ARGV[3], 'priority', priority,
    'first', first, 'total', n, 'done', 0, 'cancelled', 0, 'created', moment, 'updated', moment)
for i = 0, n - 1 do
    redis.call('HSET', QUESTIONS, i, ARGV[9 + i])
    redis.call('ZADD', ready(priority), first + i, string.format('%s:%.0f:%s:%d', priority, first + i, ARGV[1], i))
end
count(tenant, n)
return 'queued'
