-- What every script begins with. The queue's keys, all of one slot; the last three are of one batch.
local SEQ = KEYS[1] -- number: the last place in the queue that was given out
-- KEYS[2] to KEYS[5]: sorted sets of the jobs that are free, by their places, of the priorities 0 to 3
local AWAY = KEYS[6] -- sorted set: jobs that are leased or pause, by when they are free, in milliseconds
local TOKENS, TRIES = KEYS[7], KEYS[8] -- hashes by job
local DEAD = KEYS[9] -- sorted set: dead letters, by when they ended
local COUNTS = KEYS[10] -- hash: how many jobs have no outcome, in all ('') and of each tenant ('t' and its name)
local META = KEYS[11] -- hash: tenant, owner, caller, digest, priority, first, total, done, cancelled, created, updated
local QUESTIONS, OUTCOMES = KEYS[12], KEYS[13] -- hashes by index

-- A job is named PRIORITY:PLACE:BATCH:INDEX.
local function parts(name)
    return string.match(name, '^(%d):(%d+):(%x+):(%d+)$')
end

local function ready(priority)
    return KEYS[2 + tonumber(priority)]
end

local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function holds(name, token)
    return redis.call('HGET', TOKENS, name) == token
end

-- Takes a job out of the queue, wherever it is.
local function drop(name)
    redis.call('ZREM', ready((parts(name))), name)
    redis.call('ZREM', AWAY, name)
end

local function forget(name)
    drop(name)
    redis.call('HDEL', TOKENS, name)
    redis.call('HDEL', TRIES, name)
end

local function count(tenant, by)
    for _, field in ipairs({ '', 't' .. tenant }) do
        if redis.call('HINCRBY', COUNTS, field, by) <= 0 then
            redis.call('HDEL', COUNTS, field)
        end
    end
end
