-- Keeps a node registered, or registers it. ARGV: history, node, epoch, 1 where it is new, lease and
-- stand-still in milliseconds. Gives nothing where the node is refused.

local node, epoch, is_new = ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local lease, stand_still = ARGV[5] * 1000, ARGV[6] * 1000
local now = clock()

local beat = tonumber(redis.call('HGET', meta, 'beat') or '0')
redis.call('HSET', meta, 'beat', text(now))
if beat + stand_still < now then
  -- Nobody was heard, so it was the store that stood still.
  local all = redis.call('ZRANGE', leases, 0, -1, 'WITHSCORES')
  for at = 1, #all, 2 do
    local other, ends = all[at], tonumber(all[at + 1])
    if redis.call('HEXISTS', meta, 'retired:' .. other) == 1 then
      if ends < now then
        bury(other)
      end
    elseif ends < now + lease then
      redis.call('ZADD', leases, text(now + lease), other)
    end
  end
else
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', '(' .. text(now))) do
    bury(other)
  end
end

local is_registered = redis.call('ZSCORE', leases, node) ~= false
local newest = tonumber(redis.call('HGET', meta, 'epoch:' .. node) or '0')
if newest > epoch or is_registered == is_new or redis.call('HEXISTS', dead, node) == 1 then
  return false
end
redis.call('ZADD', leases, text(now + lease), node)
redis.call('HSET', meta, 'epoch:' .. node, epoch)
local grave = redis.call('HRANDFIELD', dead)
return { generation, text(version), grave or '' }
