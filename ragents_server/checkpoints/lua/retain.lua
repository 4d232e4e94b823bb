-- Drops what is over `keep`, the oldest first, subgraphs' checkpoints with their root's. What must stay: the root
-- graph's latest and the one that the last answered turn ended with; of each subgraph that is under way its latest; of
-- each that remembers from call to call (its namespace names no task) the latest, and the latest at that answer; and
-- whatever an open one is rebuilt from.
local function newer(one, other)
    return one.n > other.n
end

local function facts_of(all)
    local base, roots, by_id = redis.call('HGET', FACTS, 'base'), {}, {}
    for _, entry in ipairs(all) do
        if entry.ns == '' then
            roots[#roots + 1] = entry
            by_id[entry.id] = entry
        end
    end
    table.sort(roots, newer)
    return { head = roots[1], before = roots[2] and roots[2].n or 0, base = base and by_id[base], by_id = by_id }
end

-- Of each key the entry that is first.
local function firsts(all, key_of)
    local found = {}
    for _, entry in ipairs(all) do
        local key = key_of(entry)
        if key and not found[key] then
            found[key] = entry
        end
    end
    return found
end

local function judge(all)
    local facts = facts_of(all)
    table.sort(all, newer)
    for _, entry in ipairs(all) do
        entry.lasting = not string.find(entry.ns, ':', 1, true)
        entry.under = facts.by_id[entry.root]
        entry.unit = entry.ns ~= '' and entry.under and entry.under.n or entry.n
    end
    local function of_ns(entry)
        return entry.ns
    end
    local function answered(entry)
        return entry.lasting and facts.base and entry.unit < facts.base.n and entry.ns
    end
    local function of_root(entry)
        return entry.ns .. '\0' .. (entry.root or '')
    end
    local latest, at_answer, under = firsts(all, of_ns), firsts(all, answered), firsts(all, of_root)
    for _, entry in ipairs(all) do
        local head = facts.head
        entry.superseded = false
        if entry.ns == '' then
            entry.needed = entry == head or entry == facts.base
        else
            -- It may come before its root's, which is saved in the background: then it is under way.
            local early = not entry.under
                and (not entry.root or not head or entry.root > head.id or entry.n > facts.before)
            local goes_on = entry.lasting or early or entry.under ~= nil and entry.under == head
            entry.needed = latest[entry.ns] == entry and goes_on or at_answer[entry.ns] == entry
            entry.superseded = under[of_root(entry)] ~= entry
        end
        entry.hard = not entry.needed and (entry.open or entry.ns ~= '' and entry.under ~= nil and entry.under.open)
    end
end

local function before(one, other)
    if one.needed ~= other.needed then
        return one.needed
    elseif one.hard ~= other.hard then
        return other.hard
    elseif one.superseded ~= other.superseded then
        return other.superseded
    elseif one.unit ~= other.unit then
        return one.unit > other.unit
    elseif (one.ns == '') ~= (other.ns == '') then
        return one.ns == ''
    end
    return one.n > other.n
end

local function retain(keep)
    if redis.call('HLEN', INDEX) <= keep then
        return
    end
    local all, by_name = entries(), {}
    judge(all)
    table.sort(all, before)
    for place, entry in ipairs(all) do
        by_name[entry.name] = entry
        entry.kept = entry.needed or place <= keep and not entry.hard
    end
    for _, entry in ipairs(all) do
        local one = entry.kept and entry
        while one and one.open and one.parent do
            one = by_name[one.ns .. '\0' .. one.parent]
            if one and one.rebuilt then
                break
            elseif one then
                one.kept, one.rebuilt = true, true
            end
        end
    end
    local gone, others = {}, {}
    for _, entry in ipairs(all) do
        local list = entry.kept and others or gone
        list[#list + 1] = entry
    end
    drop(gone, others)
end
