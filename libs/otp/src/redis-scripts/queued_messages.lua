-- Returns messages that have been queued for longer than ARGV[1] ms, at most ARGV[2], as 'id.number', without the first ARGV[4].
return oldest(KEYS[2])
