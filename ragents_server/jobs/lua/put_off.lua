-- name, token, milliseconds of the pause, whether the attempt counts.
local name = ARGV[1]
if not holds(name, ARGV[2]) then
    return 0
end
drop(name)
redis.call('ZADD', AWAY, now() + tonumber(ARGV[3]), name)
redis.call('HINCRBY', TOKENS, name, 1)
if ARGV[4] == '0' then
    redis.call('HINCRBY', TRIES, name, -1)
end
return 1
