-- Prepended to every script of verifications. Redis runs a script alone, so each one decides and writes in one step.
-- KEYS[1]: the verification, a hash. KEYS[2]: queued messages by time. KEYS[3]: verifications that may fall back, by time.
-- Times are milliseconds by Redis's clock, formatted by hand because Lua would write large numbers as 1.7e+12.
local function text(number) return string.format('%.0f', number) end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function get(field) return redis.call('HGET', KEYS[1], field) end
local function set(...) redis.call('HSET', KEYS[1], ...) end

local function unclaimed() return tonumber(get('claimedUntil') or '0') <= now end
local function pending() return get('status') == 'pending' and tonumber(get('expiresAt')) > now and unclaimed() end
local function open() return pending() and tonumber(get('attemptsLeft')) > 0 end

-- Returns { fields, time of the reading } of the verification, or nil.
local function row()
  local fields = redis.call('HGETALL', KEYS[1])
  if #fields == 0 then return nil end
  return { fields, text(now) }
end

local function addCharge(charge) set('charges', (get('charges') or '') .. ' ' .. charge) end

local function message() return get('id') .. '.' .. get('sends') end

-- Adds the verification to the sorted sets that its delivery belongs to, and removes it from the others.
local function index()
  local delivery = get('delivery')
  if delivery == 'queued' then redis.call('ZADD', KEYS[2], get('deliveryUpdatedAt'), message())
  else redis.call('ZREM', KEYS[2], message()) end
  if get('fallback') == 'open' and (delivery == 'queued' or delivery == 'accepted') then
    redis.call('ZADD', KEYS[3], get('requestedAt'), get('id'))
  else redis.call('ZREM', KEYS[3], get('id')) end
end

-- Makes this message the newest one, queued.
local function queue(number)
  if get('sends') then redis.call('ZREM', KEYS[2], message()) end
  set('sends', number, 'first', number, 'delivery', 'queued', 'requestedAt', text(now), 'deliveryUpdatedAt', text(now),
    'retried', 0)
  redis.call('HDEL', KEYS[1], 'reason', 'providerId')
  redis.call('HINCRBY', KEYS[1], 'version', 1)
  index()
end

-- Returns the oldest members of a sorted set whose verification exists, and removes those without one.
-- ARGV[1]: minimum age in milliseconds. ARGV[2]: limit. ARGV[3]: prefix of a verification's key. ARGV[4]: offset.
local function oldest(set)
  local found = {}
  for _, member in ipairs(redis.call('ZRANGE', set, 0, text(now - ARGV[1]), 'BYSCORE', 'LIMIT', ARGV[4], ARGV[2])) do
    if redis.call('EXISTS', ARGV[3] .. string.match(member, '^[^.]+')) == 1 then table.insert(found, member)
    else redis.call('ZREM', set, member) end
  end
  return found
end
