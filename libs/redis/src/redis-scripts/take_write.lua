-- Writes as the other scripts do: to several keys at once.
-- KEYS: two keys that a Redis Cluster keeps in different slots.
-- Returns 1.
redis.call('SET', KEYS[1], 1, 'PX', 60000)
redis.call('SET', KEYS[2], 1, 'PX', 60000)
return 1
