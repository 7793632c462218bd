-- Cancels the verification.
-- Returns the row, or nil when the verification was not open.
if not open() then return nil end
set('status', 'canceled')
return row()
