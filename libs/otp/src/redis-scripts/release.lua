-- Ends the claim without success. Returns nothing.
if get('status') == 'pending' then redis.call('HDEL', KEYS[1], 'claimedUntil') end
