-- milliseconds that a dead letter is kept.
return redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', now() - tonumber(ARGV[1]))
