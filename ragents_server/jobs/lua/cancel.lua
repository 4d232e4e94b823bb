-- batch, milliseconds that an ended batch is kept.
local found = redis.call('HMGET', META, 'tenant', 'priority', 'first', 'total', 'done', 'cancelled')
if not found[1] or found[6] == '1' or found[4] == found[5] then
    return 0
end
local left = redis.call('HKEYS', QUESTIONS)
for _, index in ipairs(left) do
    forget(string.format('%s:%.0f:%s:%s', found[2], found[3] + index, ARGV[1], index))
end
redis.call('DEL', QUESTIONS)
redis.call('HSET', META, 'cancelled', 1, 'updated', now())
redis.call('PEXPIRE', META, ARGV[2])
redis.call('PEXPIRE', OUTCOMES, ARGV[2])
count(found[1], -#left)
return 1
