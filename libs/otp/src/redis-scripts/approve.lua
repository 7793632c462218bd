-- Confirms the claim. Returns nothing.
if get('status') == 'pending' then set('status', 'approved') end
