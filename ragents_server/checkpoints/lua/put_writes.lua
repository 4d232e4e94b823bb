-- token, milliseconds; then of each write its name, whether it replaces one of that name, and the write.
if not holds(ARGV[1]) then
    return 'lost'
end
for at = 3, #ARGV, 3 do
    redis.call(ARGV[at + 1] == '1' and 'HSET' or 'HSETNX', WRITES, ARGV[at], ARGV[at + 2])
end
touch(ARGV[2])
return 'put'
