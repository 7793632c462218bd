-- Writes the delivery's next state if its version is still the one that was read.
-- ARGV[1]: version. ARGV[2]: 1 to queue one more message, else 0. ARGV[3]: reason, or ''. ARGV[4]: provider id, or ''.
-- ARGV[5]: charge of the message to queue. ARGV[6…]: names and values of the other fields.
-- Returns the time of the change, or nil when the version differs or the verification is gone.
if get('version') ~= ARGV[1] then return nil end
redis.call('ZREM', KEYS[2], message())
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HINCRBY', KEYS[1], 'sends', ARGV[2])
redis.call('HDEL', KEYS[1], 'reason', 'providerId')
if ARGV[3] ~= '' then set('reason', ARGV[3]) end
if ARGV[4] ~= '' then set('providerId', ARGV[4]) end
set('deliveryUpdatedAt', text(now), unpack(ARGV, 6))
if ARGV[2] == '1' then
  set('requestedAt', text(now))
  addCharge(ARGV[5])
end
index()
return text(now)
