-- Writes all states, or none if one of their tags is outdated. A value is a tag followed by the state.
-- KEYS: the states, then the sorted set of held states, whose score is the end of the hold.
-- ARGV[1]: length of a tag. ARGV[2]: life of the sorted set, ms.
-- ARGV[3…], five for each state: its name, the tag it was read with or '', the new value, its life in ms, the end of its
-- hold or ''.
-- Returns 1 if the states were written, otherwise 0.
local held = KEYS[#KEYS]
for i = 1, #KEYS - 1 do
  local value = redis.call('GET', KEYS[i])
  local tag = value and string.sub(value, 1, tonumber(ARGV[1])) or ''
  if tag ~= ARGV[i * 5 - 1] then return 0 end
end
for i = 1, #KEYS - 1 do
  local name, value, life, held_until = ARGV[i * 5 - 2], ARGV[i * 5], ARGV[i * 5 + 1], ARGV[i * 5 + 2]
  redis.call('SET', KEYS[i], value, 'PX', life)
  if held_until == '' then redis.call('ZREM', held, name) else redis.call('ZADD', held, held_until, name) end
end
redis.call('PEXPIRE', held, ARGV[2])
return 1
