-- The names of checkpoints to drop.
local named, gone, others = {}, {}, {}
for _, name in ipairs(ARGV) do
    named[name] = true
end
for _, entry in ipairs(entries()) do
    local list = named[entry.name] and gone or others
    list[#list + 1] = entry
end
drop(gone, others)
return 'dropped'
