-- Cancels the verification.
-- Returns 1, or nil when the verification was not open.
if not open() then return nil end
set('status', 'canceled')
return 1
