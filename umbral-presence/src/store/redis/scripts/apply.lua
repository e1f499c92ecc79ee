-- Changes what a node says of its users. ARGV: history, node, epoch, and for each user the group, the
-- user, what is said (`+` and the payload, or `-`), and 1 where it is the node's last in the group.
-- Gives nothing where the node is refused.

local node, epoch = ARGV[2], ARGV[3]
if redis.call('ZSCORE', leases, node) == false or redis.call('HGET', meta, 'epoch:' .. node) ~= epoch then
  return false
end

local at_version = next_version()
local written = text(at_version)
local holds, news = shard .. ':n:' .. node, {}
for at = 4, #ARGV, 4 do
  local group, user, said, is_last = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3] == '1'
  local key, field = shard .. ':g:' .. group, user .. '\31' .. node
  local is_news
  if said == '-' then
    is_news = redis.call('HDEL', key, field) == 1
  else
    local payload = string.sub(said, 2)
    local before = redis.call('HGET', key, field)
    -- What is written has its version before it, unless it is nothing.
    is_news = not before or (string.match(before, '^%d+ (.*)$') or '') ~= payload
    if is_news then
      redis.call('HSET', key, field, payload == '' and '' or written .. ' ' .. payload)
      redis.call('SADD', holds, group)
    end
  end
  if is_last then
    redis.call('SREM', holds, group)
  end
  if is_news then
    news[#news + 1] = group
    news[#news + 1] = user
    news[#news + 1] = said
  end
end
if #news > 0 then
  tell(node, 'said', news, at_version)
end
return { generation, text(version) }
