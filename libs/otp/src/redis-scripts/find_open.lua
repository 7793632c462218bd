-- Returns the row if the verification takes codes, or nil.
if not open() then return nil end
return row()
