-- Queues one more message that the client requested.
-- ARGV[1]: wait before the next resend, ms. ARGV[2]: name, or '' to keep it. ARGV[3]: ticket, or ''.
-- ARGV[4]: channel. ARGV[5]: provider. ARGV[6]: fallback, ignored once it is used.
-- Returns the row, or nil when the verification takes no more codes.
if not open() then return nil end
set('channel', ARGV[4], 'sender', ARGV[5])
if get('fallback') ~= 'used' then set('fallback', ARGV[6]) end
queue(tonumber(get('sends')) + 1)
set('resendAt', text(now + ARGV[1]))
if ARGV[2] ~= '' then set('name', ARGV[2]) end
if ARGV[3] ~= '' then set('tickets', (get('tickets') or '') .. ' ' .. ARGV[3]) end
return row()
