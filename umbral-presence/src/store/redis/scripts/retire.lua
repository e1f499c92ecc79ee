-- Declares a node dead after a time. ARGV: history, node, milliseconds.

local node, after = ARGV[2], ARGV[3] * 1000
local lease = redis.call('ZSCORE', leases, node)
if lease then
  if after == 0 then
    bury(node)
  else
    redis.call('ZADD', leases, text(math.min(tonumber(lease), clock() + after)), node)
    -- It will not be heard again, whoever stood still.
    redis.call('HSET', meta, 'retired:' .. node, 1)
  end
end
return { generation, text(version) }
