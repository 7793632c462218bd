-- Counts one attempt.
-- Returns the row, or nil when no attempts are left.
if not open() then return nil end
redis.call('HINCRBY', KEYS[1], 'attemptsLeft', -1)
return row()
