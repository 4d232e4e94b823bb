-- Takes tokens of all buckets of a user and its tenant, or of none; times are microseconds of the server's clock.
-- KEYS: the user's and the tenant's buckets, the user's and the tenant's leases.
-- ARGV: cost, most wait, lease, its time, most leases of the user and of the tenant, how far those who are refused
-- are spread, then of each bucket: 1 or 2 for its key, its field, the time a token takes, its capacity.
-- Gives: 1 or 0, the wait, the place of the tightest bucket from 0 (-1: of the user's leases, -2: of the tenant's),
-- what remains of it, and the time until it is full.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local cost, most_wait, lease = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local number = string.format
if lease ~= '' then
  for i = 1, 2 do
    local most = tonumber(ARGV[4 + i])
    if most > 0 and redis.call('ZCARD', KEYS[2 + i]) >= most then
      redis.call('ZREMRANGEBYSCORE', KEYS[2 + i], '-inf', number('%.0f', now))
      if redis.call('ZCARD', KEYS[2 + i]) >= most then return {0, 1000000, -i, 0, 1000000} end
    end
  end
end
local buckets, of = {}, {{}, {}}
for at = 8, #ARGV, 4 do
  local key = tonumber(ARGV[at])
  local one = {key = key, field = ARGV[at + 1], interval = tonumber(ARGV[at + 2]), capacity = tonumber(ARGV[at + 3])}
  buckets[#buckets + 1] = one
  table.insert(of[key], one)
end
for key = 1, 2 do
  local names = {}
  for i, one in ipairs(of[key]) do names[i] = one.field end
  local values = #names > 0 and redis.call('HMGET', KEYS[key], unpack(names)) or {}
  for i, one in ipairs(of[key]) do one.full = math.max(tonumber(values[i] or 0), now) end
end
local wait, tightest = 0, nil
for i, one in ipairs(buckets) do
  local due = one.full + (cost - one.capacity) * one.interval - now
  if not tightest or due > wait then wait, tightest = math.max(due, 0), i end
end
local function last(key, until_)
  local seconds = math.ceil((until_ - now) / 1000000) + 1
  if redis.call('TTL', KEYS[key]) < seconds then redis.call('EXPIRE', KEYS[key], seconds) end
end
if wait > most_wait then
  local one = buckets[tightest]
  local told = tonumber(redis.call('HGET', KEYS[one.key], one.field .. 'p') or 0)
  local promised = math.max(one.full, math.min(told, one.full + tonumber(ARGV[7])))
  redis.call('HSET', KEYS[one.key], one.field .. 'p', number('%.0f', promised + cost * one.interval))
  last(one.key, promised + cost * one.interval)
  local due = promised + (cost - one.capacity) * one.interval - now
  return {0, math.ceil(math.max(due, 0)), tightest - 1, 0, math.ceil(one.full - now)}
end
local place, fewest, reset = 0, nil, 0
for key = 1, 2 do
  local values, latest = {}, 0
  for i, one in ipairs(of[key]) do
    one.full = math.max(one.full, now + wait) + cost * one.interval
    values[2 * i - 1], values[2 * i] = one.field, number('%.0f', one.full)
    latest = math.max(latest, one.full)
  end
  if #values > 0 then
    redis.call('HSET', KEYS[key], unpack(values))
    last(key, latest)
  end
end
for i, one in ipairs(buckets) do
  local left = one.capacity - (one.full - now) / one.interval
  if not fewest or left < fewest then place, fewest, reset = i - 1, left, one.full - now end
end
if lease ~= '' then
  for i = 1, 2 do
    if tonumber(ARGV[4 + i]) > 0 then
      redis.call('ZADD', KEYS[2 + i], number('%.0f', now + tonumber(ARGV[4])), lease)
      local seconds = math.ceil(tonumber(ARGV[4]) / 1000000) + 1
      if redis.call('TTL', KEYS[2 + i]) < seconds then redis.call('EXPIRE', KEYS[2 + i], seconds) end
    end
  end
end
return {1, math.ceil(wait), place, math.max(math.floor((fewest or 0) + 0.000001), 0), math.ceil(reset)}
