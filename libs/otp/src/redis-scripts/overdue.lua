-- Returns ids of verifications whose message was requested longer than ARGV[1] ms ago, is not sent, and may fall back.
return oldest(KEYS[3])
