-- Claims the verification for one caller, and restores the attempt that gave the right code.
-- ARGV[1]: lease, ms.
-- Returns the row, or nil for every caller but one.
if not pending() then return nil end
redis.call('HINCRBY', KEYS[1], 'attemptsLeft', 1)
set('claimedUntil', text(now + ARGV[1]))
return row()
