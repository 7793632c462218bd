// The ceiling: bare Fastify with the least statements that an honest server needs for the same requests.
// It has no abuse policy, no encryption, no metrics and no log.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import { Redis } from 'ioredis';
import pg from 'pg';

const { DATABASE_URL, REDIS_URL } = process.env;
const CODE = '123456';
const LIFE_SECONDS = 300;

const SIGN_IN = {
  name: 'sign-in',
  text: `with account as (
      insert into ceiling_users values ($1, $2) on conflict (phone) do update set phone = excluded.phone returning id),
    token as (insert into ceiling_tokens select $3, id, now() + interval '30 days' from account)
    select id from account`,
};

const FIND = {
  name: 'find',
  text: `select u.id, u.phone from ceiling_tokens t join ceiling_users u on u.id = t.user_id
    where t.hash = $1 and t.expires_at > now()`,
};

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
const redis = REDIS_URL && new Redis(REDIS_URL, { enableAutoPipelining: true });
await pool.query(`
  create table if not exists ceiling_verifications (
    id text primary key, phone text not null, code text not null, attempts_left int not null, expires_at timestamptz not null);
  create table if not exists ceiling_limits (phone text primary key, allowed_at timestamptz not null);
  create table if not exists ceiling_users (id uuid primary key, phone text not null unique);
  create table if not exists ceiling_tokens (
    hash bytea primary key, user_id uuid not null references ceiling_users, expires_at timestamptz not null)`);

const store = redis ? onRedis() : onPostgres();
const app = Fastify();
const phone = { type: 'object', required: ['phone_number'], properties: { phone_number: { type: 'string' } } };
const code = { type: 'object', required: ['code'], properties: { code: { type: 'string' } } };

app.post('/ask', { schema: { body: phone } }, async ({ body }, reply) => {
  const id = randomBytes(16).toString('hex');
  if (await store.open(id, body.phone_number)) return reply.code(202).send({ id, status: 'pending' });
  return reply.code(429).header('retry-after', '30').send({ title: 'Too many requests' });
});

app.post('/check/:id', { schema: { body: code } }, async ({ params, body }, reply) => {
  const found = await store.claim(params.id, body.code);
  if (!found) return reply.code(401).send({ title: 'The code is wrong or no longer valid' });
  const token = randomBytes(16).toString('hex');
  const [user] = await run(SIGN_IN, [randomUUID(), found, hashOf(token)]);
  return { token, user };
});

app.get('/bearer', async ({ headers }, reply) => {
  const user = await store.find(hashOf(headers.authorization?.slice('Bearer '.length) ?? ''));
  return user ? { user } : reply.code(401).send({ title: 'The token is not valid' });
});

console.log(JSON.stringify({ url: await app.listen({ port: 0, host: '127.0.0.1' }) }));

function onPostgres() {
  const open = {
    name: 'open',
    text: `with allowed as (
        insert into ceiling_limits as l values ($2, now() + interval '30 s')
        on conflict (phone) do update set allowed_at = excluded.allowed_at where l.allowed_at <= now() returning phone)
      insert into ceiling_verifications
      select $1, phone, $3, 5, now() + interval '5 min' from allowed returning id`,
  };
  const claim = {
    name: 'claim',
    text: `update ceiling_verifications set attempts_left = case when code = $2 then 0 else attempts_left - 1 end
      where id = $1 and attempts_left > 0 and expires_at > now() returning phone, code`,
  };
  return {
    open: async (id, phone) => (await run(open, [id, phone, CODE])).length === 1,
    claim: async (id, code) => {
      const [row] = await run(claim, [id, code]);
      return row?.code === code ? row.phone : null;
    },
    find: async (hash) => (await run(FIND, [hash]))[0],
  };
}

function onRedis() {
  redis.defineCommand('open', {
    numberOfKeys: 3,
    lua: `if not redis.call('set', KEYS[1], 1, 'NX', 'EX', 30) then return 0 end
      redis.call('hset', KEYS[2], 'phone', ARGV[1], 'code', ARGV[2], 'attempts', 5)
      redis.call('expire', KEYS[2], ARGV[3])
      redis.call('rpush', KEYS[3], KEYS[2])
      return 1`,
  });
  redis.defineCommand('claim', {
    numberOfKeys: 1,
    lua: `if redis.call('exists', KEYS[1]) == 0 or redis.call('hincrby', KEYS[1], 'attempts', -1) < 0 then return false end
      if redis.call('hget', KEYS[1], 'code') ~= ARGV[1] then return false end
      local phone = redis.call('hget', KEYS[1], 'phone')
      redis.call('del', KEYS[1])
      return phone`,
  });
  return {
    open: async (id, phone) => (await redis.open(`limit:${phone}`, `v:${id}`, 'queue', phone, CODE, LIFE_SECONDS)) === 1,
    claim: (id, code) => redis.claim(`v:${id}`, code),
    find: async (hash) => {
      const key = `token:${hash.toString('hex')}`;
      const cached = await redis.get(key);
      if (cached) return JSON.parse(cached);
      const [user] = await run(FIND, [hash]);
      if (user) await redis.set(key, JSON.stringify(user), 'EX', 60);
      return user;
    },
  };
}

async function run(statement, values) {
  return (await pool.query({ ...statement, values })).rows;
}

function hashOf(token) {
  return createHash('sha256').update(token).digest();
}
