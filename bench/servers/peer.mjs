// The peer: better-auth with its phone-number plugin, on Postgres or with Redis as its secondary storage.
// It has no durable queue. Its sendOTP keeps the code for the load generator instead of sending it.
import { createServer } from 'node:http';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { phoneNumber } from 'better-auth/plugins';
import { Redis } from 'ioredis';
import pg from 'pg';

const { DATABASE_URL, REDIS_URL } = process.env;
const codes = new Map();
const options = {
  baseURL: 'http://127.0.0.1',
  secret: 'a secret that is only used to compare servers',
  database: new pg.Pool({ connectionString: DATABASE_URL, max: 20 }),
  ...(REDIS_URL && { secondaryStorage: secondaryStorage(new Redis(REDIS_URL, { enableAutoPipelining: true })) }),
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: 'error' },
  plugins: [
    phoneNumber({
      sendOTP: ({ phoneNumber, code }) => void codes.set(phoneNumber, code),
      signUpOnVerification: { getTempEmail: (number) => `${number.slice(1)}@phone.invalid` },
    }),
  ],
};
const { runMigrations } = await getMigrations(options);
await runMigrations();
const handle = toNodeHandler(betterAuth(options));

const server = createServer((request, response) => {
  if (request.url !== '/codes') return handle(request, response);
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify([...codes]));
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));

function secondaryStorage(redis) {
  return {
    get: (key) => redis.get(key),
    set: (key, value, ttl) => (ttl ? redis.set(key, value, 'EX', ttl) : redis.set(key, value)),
    delete: async (key) => void (await redis.del(key)),
    getAndDelete: (key) => redis.getdel(key),
    increment: async (key, ttl) => {
      const count = await redis.incr(key);
      if (count === 1) await redis.expire(key, ttl);
      return count;
    },
  };
}
