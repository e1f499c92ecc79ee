-- Takes away some of what a dead node has left. ARGV: history, node, how many fields are looked at.
-- Gives 1 where nothing is left. A large group is gone through in pieces: the node's entry among the
-- dead says where to go on.

local node, most = ARGV[2], tonumber(ARGV[3])
local place = redis.call('HGET', dead, node)
if not place then
  return 1
end
local holds, suffix, looked = shard .. ':n:' .. node, '\31' .. node, 0
local cursor, group = string.match(place, '^(%d+) (.*)$')
while looked < most do
  if not group then
    cursor, group = '0', redis.call('HRANDFIELD', holds)
  end
  if not group then
    redis.call('HDEL', dead, node)
    return 1
  end
  local key = shard .. ':g:' .. group
  local page = redis.call('HSCAN', key, cursor, 'COUNT', most)
  for at = 1, #page[2], 2 do
    if string.sub(page[2][at], -#suffix) == suffix then
      redis.call('HDEL', key, page[2][at])
    end
  end
  looked = looked + #page[2] / 2 + 1
  cursor = page[1]
  if cursor == '0' then
    redis.call('HDEL', holds, group)
    group = nil
  end
end
redis.call('HSET', dead, node, group and cursor .. ' ' .. group or '')
return 0
