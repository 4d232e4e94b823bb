-- milliseconds of the lease; then priorities, the first one to be looked at first.
local moment = now()
for _, name in ipairs(redis.call('ZRANGEBYSCORE', AWAY, '-inf', moment, 'LIMIT', 0, 1000)) do
    local priority, place = parts(name)
    redis.call('ZREM', AWAY, name)
    redis.call('ZADD', ready(priority), place, name)
end
for at = 2, #ARGV do
    local name = redis.call('ZRANGE', ready(ARGV[at]), 0, 0)[1]
    if name then
        redis.call('ZREM', ready(ARGV[at]), name)
        redis.call('ZADD', AWAY, moment + tonumber(ARGV[1]), name)
        return { name, redis.call('HINCRBY', TOKENS, name, 1), redis.call('HINCRBY', TRIES, name, 1), moment }
    end
end
return false
