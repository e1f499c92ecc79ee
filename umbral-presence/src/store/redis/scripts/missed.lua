-- What all nodes were asked within a time, and how long ago. KEYS[1] is the list; ARGV: microseconds.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local since = string.format('%.0f', now - ARGV[1])
local found = redis.call('ZRANGEBYSCORE', KEYS[1], since, '+inf', 'WITHSCORES')
local letters = {}
for at = 1, #found, 2 do
  letters[#letters + 1] = { found[at], math.max(0, now - tonumber(found[at + 1])) }
end
return letters
