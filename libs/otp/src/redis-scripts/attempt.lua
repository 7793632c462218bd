-- Counts one attempt.
-- ARGV: pairs of a field that counts attempts and its limit: of the client, and of the group that it belongs to. None when
-- the verification has only one client.
-- Returns the time, the attempts left, the version of the delivery, and the new counts; or nil when no attempts are left.
if not open() then return nil end
for i = 1, #ARGV, 2 do
  if tonumber(get(ARGV[i]) or '0') >= tonumber(ARGV[i + 1]) then return nil end
end
for i = 1, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], 1) end
if #ARGV == 0 then redis.call('HINCRBY', KEYS[1], 'attemptsLeft', -1) end
local reply = { text(now), get('attemptsLeft'), get('version') }
for i = 1, #ARGV, 2 do table.insert(reply, get(ARGV[i])) end
return reply
