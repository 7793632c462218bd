-- Stores a new verification with its first message queued.
-- KEYS[4]: the list of the newest verifications of its number, purpose and device.
-- ARGV[1]: life of the code, ms. ARGV[2]: wait before a resend, ms. ARGV[3]: how long it is kept after expiry, ms.
-- ARGV[4…]: names and values of the other fields.
-- Returns the row.
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
set('status', 'pending', 'createdAt', text(now), 'expiresAt', text(now + ARGV[1]), 'resendAt', text(now + ARGV[2]))
queue(1)
redis.call('PEXPIRE', KEYS[1], text(ARGV[1] + ARGV[3]))
redis.call('LPUSH', KEYS[4], get('id'))
redis.call('LTRIM', KEYS[4], 0, 9)
if redis.call('PTTL', KEYS[4]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[4], ARGV[1]) end
return row()
