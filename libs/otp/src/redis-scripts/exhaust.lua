-- Uses all attempts. Returns nothing.
if open() then set('attemptsLeft', 0) end
