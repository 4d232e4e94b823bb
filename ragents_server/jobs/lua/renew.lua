-- milliseconds of the lease; then names and tokens. Tells of each whether it holds.
local free = now() + tonumber(ARGV[1])
local told = {}
for at = 2, #ARGV, 2 do
    local name = ARGV[at]
    local held = holds(name, ARGV[at + 1])
    if held then
        drop(name)
        redis.call('ZADD', AWAY, free, name)
    end
    table.insert(told, held and 1 or 0)
end
return told
