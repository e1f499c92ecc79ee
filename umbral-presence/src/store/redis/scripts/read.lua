-- Who is in groups. ARGV: history, and the groups.

local found = {}
for at = 2, #ARGV do
  found[#found + 1] = redis.call('HGETALL', shard .. ':g:' .. ARGV[at])
end
return { generation, text(version), redis.call('ZRANGE', leases, 0, -1), found }
