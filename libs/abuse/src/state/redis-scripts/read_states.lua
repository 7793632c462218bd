-- Reads states.
-- KEYS: the states.
-- Returns the time by the clock of Redis, in ms since 1970, followed by the values of the states, false for an absent one.
local time = redis.call('TIME')
local reply = { time[1] * 1000 + math.floor(time[2] / 1000) }
for i, key in ipairs(KEYS) do reply[i + 1] = redis.call('GET', key) end
return reply
