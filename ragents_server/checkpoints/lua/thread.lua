-- What every script begins with. A thread's keys, all of one slot:
local FACTS = KEYS[1] -- hash: fence, head, base, n (of the checkpoint that came last)
local INDEX = KEYS[2] -- hash by checkpoint: n, parent, root, open, digests, as JSON
local ROWS = KEYS[3] -- hash by checkpoint: the rest of it
local PARTS = KEYS[4] -- hash by digest
local WRITES = KEYS[5] -- hash by checkpoint, task and idx
-- A checkpoint is named by its namespace, NUL and its id; a digest by its 32 hexadecimal digits.

local function text(value)
    return value and value ~= cjson.null and value ~= '' and value or nil
end

-- Whether whoever has this token may still write; from then on nobody with a smaller one may.
local function holds(token)
    if not text(token) then
        return true
    end
    if tonumber(redis.call('HGET', FACTS, 'fence') or 0) > tonumber(token) then
        return false
    end
    redis.call('HSET', FACTS, 'fence', token)
    return true
end

local function touch(milliseconds)
    if text(milliseconds) then
        for _, key in ipairs(KEYS) do
            redis.call('PEXPIRE', key, milliseconds)
        end
    end
end

local function digests_of(entry)
    local found = {}
    for at = 1, #entry.digests, 32 do
        found[#found + 1] = string.sub(entry.digests, at, at + 31)
    end
    return found
end

-- Raises what is told as a checkpoint that cannot be read.
local function entry_of(name, json)
    local fine, entry = pcall(cjson.decode, json)
    local cut = string.find(name, '\0', 1, true)
    if not (fine and cut and type(entry) == 'table' and type(entry.n) == 'number' and type(entry.digests) == 'string') then
        error('CORRUPT')
    end
    entry.name, entry.ns, entry.id = name, string.sub(name, 1, cut - 1), string.sub(name, cut + 1)
    entry.parent, entry.root = text(entry.parent), text(entry.root)
    return entry
end

local function entries()
    local found, flat = {}, redis.call('HGETALL', INDEX)
    for at = 1, #flat, 2 do
        found[#found + 1] = entry_of(flat[at], flat[at + 1])
    end
    return found
end

local function checkpoint_of(write)
    return string.match(write, '^[^%z]*%z[^%z]*')
end

-- Drops the parts of some checkpoints that none of the others refers to.
local function clear(gone, others)
    local loose = {}
    for _, entry in ipairs(gone) do
        for _, digest in ipairs(digests_of(entry)) do
            loose[digest] = true
        end
    end
    for _, entry in ipairs(others) do
        for _, digest in ipairs(digests_of(entry)) do
            loose[digest] = nil
        end
    end
    for digest in pairs(loose) do
        redis.call('HDEL', PARTS, digest)
    end
end

-- Drops checkpoints with their writes and parts.
local function drop(gone, others)
    local names = {}
    for _, entry in ipairs(gone) do
        names[entry.name] = true
        redis.call('HDEL', INDEX, entry.name)
        redis.call('HDEL', ROWS, entry.name)
    end
    clear(gone, others)
    if next(names) then
        for _, write in ipairs(redis.call('HKEYS', WRITES)) do
            if names[checkpoint_of(write)] then
                redis.call('HDEL', WRITES, write)
            end
        end
    end
end
