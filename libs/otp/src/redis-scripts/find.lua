-- Returns the row, or nil.
return row()
