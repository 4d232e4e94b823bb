-- token, milliseconds for which whoever has an older one may not begin the thread anew.
local fence = redis.call('HGET', FACTS, 'fence')
if text(ARGV[1]) and tonumber(fence or 0) > tonumber(ARGV[1]) then
    return 'lost'
end
redis.call('UNLINK', INDEX, ROWS, PARTS, WRITES)
redis.call('HDEL', FACTS, 'head', 'base', 'n')
if text(ARGV[1]) then
    redis.pcall('HSET', FACTS, 'fence', ARGV[1]) -- a server without memory deletes all the same
end
redis.call('PEXPIRE', FACTS, ARGV[2])
return 'deleted'
