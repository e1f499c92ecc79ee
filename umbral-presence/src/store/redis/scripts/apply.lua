-- Changes what a node says of its users. ARGV: history, node, epoch, and for each user the group, the
-- user, and what is said (`+` and the payload, or `-`). Gives nothing where the node is refused.

local node, epoch = ARGV[2], ARGV[3]
if redis.call('ZSCORE', leases, node) == false or redis.call('HGET', meta, 'epoch:' .. node) ~= epoch then
  return false
end

local at_version = next_version()
local written = text(at_version)
local holds, news = shard .. ':n:' .. node, {}
-- How many more facts the node has in each group, and whether a group's key is the library's own.
local more, is_own = {}, {}
for at = 4, #ARGV, 3 do
  local group, user, said = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local key, field = shard .. ':g:' .. group, user .. '\31' .. node
  local is_news = false
  if is_own[group] == nil then
    local kind = redis.call('TYPE', key).ok
    is_own[group] = kind == 'hash' or kind == 'none'
  end
  if not is_own[group] then
    -- A key of somebody else: the group is as if the node were alone.
  elseif said == '-' then
    is_news = redis.call('HDEL', key, field) == 1
    if is_news then
      more[group] = (more[group] or 0) - 1
    end
  else
    local payload = string.sub(said, 2)
    -- What is written has its version before it, unless it is nothing.
    local value = payload == '' and '' or written .. ' ' .. payload
    is_news = redis.call('HSETNX', key, field, value) == 1
    if is_news then
      more[group] = (more[group] or 0) + 1
    else
      local before = redis.call('HGET', key, field)
      is_news = (string.match(before, '^%d+ (.*)$') or '') ~= payload
      if is_news then
        redis.call('HSET', key, field, value)
      end
    end
  end
  if is_news then
    news[#news + 1] = group
    news[#news + 1] = user
    news[#news + 1] = said
  end
end
-- They are counted here: after a failover the node does not know what it has in this store.
for group, n in pairs(more) do
  if n ~= 0 and redis.call('HINCRBY', holds, group, n) <= 0 then
    redis.call('HDEL', holds, group)
  end
end
if #news > 0 then
  tell(node, 'said', news, at_version)
end
return { generation, text(version) }
