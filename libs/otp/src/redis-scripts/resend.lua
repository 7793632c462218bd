-- Queues one more message that the client requested.
-- ARGV[1]: wait before the next resend, ms. ARGV[2]: name, or '' to keep it. ARGV[3]: ticket, or ''.
-- ARGV[4]: channel. ARGV[5]: provider. ARGV[6]: fallback, ignored once it is used. ARGV[7]: charge.
-- ARGV[8]: app hash, or '' to keep it. ARGV[9]: locale, or '' to keep it.
-- ARGV[10], ARGV[11]: name and value of the client's field, absent when the verification has only one.
-- Returns the row, or nil when the verification takes no more codes.
if not open() then return nil end
set('channel', ARGV[4], 'sender', ARGV[5])
if get('fallback') ~= 'used' then set('fallback', ARGV[6]) end
addCharge(ARGV[7])
queue(tonumber(get('sends')) + 1)
set('resendAt', text(now + ARGV[1]))
if ARGV[2] ~= '' then set('name', ARGV[2]) end
if ARGV[8] ~= '' then set('appHash', ARGV[8]) end
if ARGV[9] ~= '' then set('locale', ARGV[9]) end
if ARGV[10] then set(ARGV[10], ARGV[11]) end
if ARGV[3] ~= '' then set('tickets', (get('tickets') or '') .. ' ' .. ARGV[3]) end
return row()
