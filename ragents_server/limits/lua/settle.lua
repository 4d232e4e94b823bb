-- Ends a lease, and takes tokens more or gives them back; KEYS as of decide.lua, times as well.
-- ARGV: tokens (below 0: given back), lease, then of each bucket: 1 or 2 for its key, its field, the time a token takes.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local tokens = tonumber(ARGV[1])
if ARGV[2] ~= '' then
  redis.call('ZREM', KEYS[3], ARGV[2])
  redis.call('ZREM', KEYS[4], ARGV[2])
end
for at = 3, #ARGV, 3 do
  local key, field = KEYS[tonumber(ARGV[at])], ARGV[at + 1]
  local full = tonumber(redis.call('HGET', key, field) or 0)
  if tokens > 0 then full = math.max(full, now) end
  full = full + tokens * tonumber(ARGV[at + 2])
  if tokens ~= 0 and full > now then
    redis.call('HSET', key, field, string.format('%.0f', full))
    local seconds = math.ceil((full - now) / 1000000) + 1
    if redis.call('TTL', key) < seconds then redis.call('EXPIRE', key, seconds) end
  elseif tokens ~= 0 then
    redis.call('HDEL', key, field)
  end
end
return 1
