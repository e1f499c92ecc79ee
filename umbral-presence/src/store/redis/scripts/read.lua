-- Who is in groups. ARGV: history, and the groups.

local found = {}
for at = 2, #ARGV do
  local facts = redis.pcall('HGETALL', shard .. ':g:' .. ARGV[at])
  -- A key that is something else is another's, and holds nobody.
  found[#found + 1] = facts.err and {} or facts
end
return { generation, text(version), redis.call('ZRANGE', leases, 0, -1), found }
