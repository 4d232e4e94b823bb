-- name, token, index, outcome, whether it is a dead letter, milliseconds that an ended batch is kept.
local name, index = ARGV[1], ARGV[3]
local tenant = redis.call('HGET', META, 'tenant')
if not tenant or not holds(name, ARGV[2]) then
    return 0
end
local moment = now()
forget(name)
redis.call('HDEL', QUESTIONS, index)
redis.call('HSET', OUTCOMES, index, ARGV[4])
redis.call('HSET', META, 'updated', moment)
if ARGV[5] == '1' then
    redis.call('ZADD', DEAD, moment, name)
end
count(tenant, -1)
if redis.call('HINCRBY', META, 'done', 1) == tonumber(redis.call('HGET', META, 'total')) then
    redis.call('PEXPIRE', META, ARGV[6])
    redis.call('PEXPIRE', OUTCOMES, ARGV[6])
end
return 1
