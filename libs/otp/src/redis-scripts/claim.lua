-- Claims the verification for one caller, and restores the attempt that gave the right code.
-- ARGV[1]: lease, ms. ARGV[2…]: the fields that counted the attempt, none when the verification has only one client.
-- Returns 1, or nil for every caller but one.
if not pending() then return nil end
for i = 2, #ARGV do redis.call('HINCRBY', KEYS[1], ARGV[i], -1) end
if #ARGV == 1 then redis.call('HINCRBY', KEYS[1], 'attemptsLeft', 1) end
set('claimedUntil', text(now + ARGV[1]))
return 1
