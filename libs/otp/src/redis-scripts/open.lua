-- Stores a new verification with its first message queued.
-- KEYS[4]: the list of the newest verifications of its number, purpose and device.
-- ARGV[1]: life of the code, ms. ARGV[2]: wait before a resend, ms. ARGV[3]: how long it is kept after expiry, ms.
-- KEYS[5]: the list of the newest verifications of its number. ARGV[4]: length of that list.
-- ARGV[5…]: names and values of the other fields.
-- Returns the time of its creation.
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
set('status', 'pending', 'createdAt', text(now), 'expiresAt', text(now + ARGV[1]), 'resendAt', text(now + ARGV[2]))
queue(1)
redis.call('PEXPIRE', KEYS[1], text(ARGV[1] + ARGV[3]))
redis.call('LPUSH', KEYS[4], get('id'))
redis.call('LTRIM', KEYS[4], 0, 9)
if redis.call('PTTL', KEYS[4]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[4], ARGV[1]) end
redis.call('LPUSH', KEYS[5], get('id'))
redis.call('LTRIM', KEYS[5], 0, ARGV[4] - 1)
redis.call('PEXPIRE', KEYS[5], text(ARGV[1] + ARGV[3]))
return text(now)
