-- What all scripts of a shard begin with. KEYS[1] is `{prefix:shard}`, the beginning of all its keys,
-- ARGV[1] a random name for a history that begins.

local shard = KEYS[1]
local meta, leases, dead = shard .. ':m', shard .. ':l', shard .. ':d'

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Numbers travel as text: Lua's would lose digits in `tostring`.
local function text(number)
  return string.format('%.0f', number)
end

local generation = redis.call('HGET', meta, 'generation')
if not generation then
  generation = ARGV[1]
  redis.call('HSET', meta, 'generation', generation)
end
local version = tonumber(redis.call('HGET', meta, 'version') or '0')

-- A counter would give a number out twice after a failover that has lost writes.
local function next_version()
  return math.max(version + 1, clock())
end

-- Moves the version on, and tells everybody.
local function tell(node, kind, news, at)
  local before = version
  version = at
  redis.call('HSET', meta, 'version', text(version))
  local message = cmsgpack.pack({ 1, generation, text(before), text(version), node, kind, news })
  redis.call(PUBLISH, shard .. ':e', message)
end

local function bury(node)
  redis.call('ZREM', leases, node)
  redis.call('HDEL', meta, 'epoch:' .. node, 'retired:' .. node)
  redis.call('HSET', dead, node, '')
  tell(node, 'dead', {}, next_version())
end
