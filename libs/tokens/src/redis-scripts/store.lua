-- Stores the copy of a session, if the lease that was taken before Postgres was read is still held.
-- KEYS[1]: the session
-- ARGV: the lease, the copy, its life in milliseconds
-- Returns 1 if it was stored, else 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
