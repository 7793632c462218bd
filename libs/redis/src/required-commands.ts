/**
 * Every command that Latchkey and BullMQ run, alone or in a script, with arguments that are valid in
 * number. Keep it complete: the start names a missing right by this list. INFO is not in it: without INFO only the
 * memory of Redis is not watched.
 */
export const REQUIRED_COMMANDS: readonly string[] = [
  ...['EVAL return-1 1 KEY', 'EVALSHA ffffffffffffffffffffffffffffffffffffffff 1 KEY', 'TIME'],
  ...['GET KEY', 'MGET KEY', 'SET KEY 1', 'INCR KEY', 'INCRBY KEY 1'],
  ...['DEL KEY', 'EXISTS KEY', 'EXPIRE KEY 1', 'PEXPIRE KEY 1', 'PERSIST KEY', 'PTTL KEY'],
  ...['HDEL KEY f', 'HEXISTS KEY f', 'HGET KEY f', 'HGETALL KEY', 'HINCRBY KEY f 1', 'HMGET KEY f'],
  ...['HMSET KEY f 1', 'HSET KEY f 1'],
  ...['LINDEX KEY 0', 'LLEN KEY', 'LPUSH KEY 1', 'LRANGE KEY 0 1', 'LREM KEY 1 1', 'LTRIM KEY 0 1'],
  ...['RPOP KEY', 'RPOPLPUSH KEY KEY', 'RPUSH KEY 1'],
  ...['SADD KEY 1', 'SCARD KEY', 'SMEMBERS KEY', 'SREM KEY 1'],
  ...['XADD KEY * f 1', 'XTRIM KEY MAXLEN 1'],
  ...['BZPOPMIN KEY 1', 'ZADD KEY 1 1', 'ZCARD KEY', 'ZCOUNT KEY 0 1', 'ZPOPMIN KEY', 'ZRANGE KEY 0 1'],
  ...['ZRANGEBYSCORE KEY 0 1', 'ZREM KEY 1', 'ZREMRANGEBYRANK KEY 0 1', 'ZREMRANGEBYSCORE KEY 0 1'],
  ...['ZREVRANGE KEY 0 1', 'ZREVRANGEBYSCORE KEY 1 0', 'ZSCORE KEY 1'],
];
