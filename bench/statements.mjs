// Counts what each kind of request asks of Postgres and of Redis, in both modes, and compares it with the budgets:
//   npm run build && npm run bench -- statements [--list]
// The counts do not depend on the speed of the machine. `--list` also prints which statements were counted.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Keys, nameSecret } from '../dist/libs/keys/src/index.js';
import { deriveCode } from '../dist/libs/otp/src/code.js';
import budgets from './statement-budgets.json' with { type: 'json' };
import { CountingProxy } from './support/counting-proxy.mjs';
import { PostgresCounter } from './support/postgres-counter.mjs';
import { RedisCounter } from './support/redis-counter.mjs';
import { newFolder, startGateway, startPostgres, startProgram, startRedis } from './support/services.mjs';

const WARM_UP = 5;
const REQUESTS = 20;

/** Above the budget, per request: for work of timers. A worker also polls its queue, more often on a slow machine. */
const TOLERANCE = 0.3;
const TOLERANCE_OF_WORKER = 2;

/** Counts that are only shown: commands that run at the same time share a round trip or not, as their answers arrive. */
const NOT_LIMITED = ['redis round trips'];

/** Work after an answer has ended when nothing was counted for this time. */
const QUIET_MS = 150;

const LONGEST_SEND_MS = 20_000;

let lastNumber = 2_000_000;
const someNumber = () => `+1415${(lastNumber += 1)}`;

const SECRET = 'a secret that is only used to count statements';
const SECRET_OF_CODES = nameSecret(SECRET);
const KEYS = new Keys(randomBytes(32), SECRET_OF_CODES);

/** All requests come from one address, and the codes of most numbers are never entered. */
const SETTINGS = {
  SECRET,
  PORT: '0',
  LOG_LEVEL: 'info',
  LIMIT_SENDS_PER_ADDRESS: '1000000/1h',
  LIMIT_CHECKS_PER_ADDRESS: '1000000/1h',
  BREAKER_MODE: 'monitor',
  HTTP_SENDER_ALLOW_PRIVATE: 'on',
};

export async function run(args) {
  const folder = newFolder();
  const stops = [folder.delete];
  const interrupted = new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => reject(new Error(`ended by ${signal}`)));
  });
  try {
    await Promise.race([countBoth(folder.folder, stops, args.includes('--list')), interrupted]);
  } finally {
    for (const stop of stops) await stop();
  }
}

/** @param stops gets what undoes each step, the last step first. */
async function countBoth(folder, stops, isListing) {
  const postgres = await startPostgres(folder);
  stops.unshift(postgres.stop);
  const redis = await startRedis(folder);
  if (redis) stops.unshift(redis.stop);
  else skipRedis();
  const gateway = await startGateway();
  stops.unshift(gateway.stop);
  const counted = { postgres: await countAll(stops, postgres.url, null, gateway) };
  if (redis) counted.redis = await countAll(stops, postgres.url, redis.url, gateway);
  report(counted, isListing);
}

function skipRedis() {
  const remedy = 'install redis-server or valkey-server';
  if (process.env.CI === 'true') throw new Error(`there is no Redis: ${remedy}`);
  console.warn(`SKIPPED with Redis: ${remedy}`);
}

/** Counts every workload in one mode. The API has no background work, so a request is all that it does. */
async function countAll(stops, postgresUrl, redisUrl, gateway) {
  const start = async (program, variables, readyLine) => {
    const stores = await countingStores(postgresUrl, redisUrl);
    stops.unshift(stores.close);
    const env = { PATH: process.env.PATH, ...SETTINGS, HTTP_SENDER_URL: gateway.url, ...stores.env, ...variables };
    const running = await startProgram(program, env, readyLine);
    stops.unshift(running.stop);
    return { ...running, stores };
  };
  const api = await start('api', { BACKGROUND: 'off' }, /Latchkey is up/);
  const client = clientOf(/"url":"([^"]+)"/.exec(api.ready)[1]);
  const requests = requestsOf(client);
  const counted = {};
  for (const [name, prepare] of Object.entries(requests)) counted[name] = await count(api.stores, prepare);
  const worker = await start('worker', {}, /waits for messages/);
  counted.send = await countSends(worker.stores, gateway, requests.ask);
  await worker.stop();
  await api.stop();
  return counted;
}

/** Each request uses a number of its own. A preparation returns the request to count. */
function requestsOf({ post, get }) {
  const open = (phone_number) => post('/v1/verifications', { phone_number });
  const signIn = async (phone_number) => {
    const { id } = await expected(202, open(phone_number));
    const code = deriveCode(KEYS.codeKey(SECRET_OF_CODES.id, id, phone_number), 6);
    return () => expected(200, post(`/v1/verifications/${id}/check`, { code }));
  };
  let token;
  return {
    ask: async () => () => expected(202, open(someNumber())),
    check: () => signIn(someNumber()),
    bearer: async () => {
      token ??= (await (await signIn(someNumber()))()).token;
      return () => expected(200, get('/protected', token));
    },
    // A refusal that a process has just made is repeated without a statement, so each number is refused once.
    refuse: async () => {
      const number = someNumber();
      await expected(202, open(number));
      return () => expected(429, open(number));
    },
  };
}

async function count(stores, prepare) {
  process.stderr.write('.');
  for (let i = 0; i < WARM_UP; i += 1) await (await prepare())();
  const requests = [];
  for (let i = 0; i < REQUESTS; i += 1) requests.push(await prepare());
  return stores.countDuring(async () => {
    for (const request of requests) await request();
  });
}

/** Counts what the worker asks for a message. Messages wait for each other, so their statements are not batched. */
async function countSends(stores, gateway, ask) {
  const send = async () => {
    const before = gateway.received;
    await (await ask())();
    const deadline = performance.now() + LONGEST_SEND_MS;
    while (gateway.received === before) {
      if (performance.now() > deadline) throw new Error('a message was not sent');
      await sleep(2);
    }
  };
  // The messages of the workloads before, which waited for a worker.
  await untilQuiet(() => gateway.received);
  for (let i = 0; i < WARM_UP; i += 1) await send();
  return stores.countDuring(async () => {
    for (let i = 0; i < REQUESTS; i += 1) await send();
  });
}

async function countingStores(postgresUrl, redisUrl) {
  const postgres = await CountingProxy.before(postgresUrl, new PostgresCounter());
  const redis = redisUrl && (await CountingProxy.before(redisUrl, new RedisCounter()));
  const proxies = { postgres, ...(redis && { redis }) };
  const env = { DATABASE_URL: postgres.url.href, ...(redis && { REDIS_URL: redis.url.href }) };
  return {
    env,
    countDuring: (work) => countDuring(proxies, work),
    close: async () => {
      for (const proxy of Object.values(proxies)) await proxy.close();
    },
  };
}

/** @returns per store the counts and the statements for one request. */
async function countDuring(proxies, work) {
  const stores = Object.entries(proxies);
  const look = () => stores.map(([, { counter }]) => ({ counts: counter.counts, texts: new Map(counter.texts) }));
  await untilQuiet(() => JSON.stringify(look().map(({ counts }) => counts)));
  const before = look();
  await work();
  await untilQuiet(() => JSON.stringify(look().map(({ counts }) => counts)));
  const after = look();
  const each = (now, earlier = 0) => (now - earlier) / REQUESTS;
  return Object.fromEntries(
    stores.map(([name], i) => {
      const counts = Object.entries(after[i].counts).map(([kind, n]) => [kind, each(n, before[i].counts[kind])]);
      const texts = [...after[i].texts].map(([text, n]) => [text, each(n, before[i].texts.get(text))]);
      return [name, { counts: Object.fromEntries(counts), texts: texts.filter(([, n]) => n >= TOLERANCE) }];
    }),
  );
}

/** Waits while the value changes, at most as long as a poll of a queue could keep it changing. */
async function untilQuiet(look) {
  for (let tries = 0; tries < 20; tries += 1) {
    const before = look();
    await sleep(QUIET_MS);
    if (look() === before) return;
  }
}

function report(counted, isListing) {
  const excesses = [];
  for (const [mode, workloads] of Object.entries(counted)) {
    console.log(`\nPer request, ${mode === 'redis' ? 'with Redis' : 'on Postgres alone'} (in brackets: the budget)`);
    console.table(tableOf(mode, workloads, excesses));
    if (isListing) list(workloads);
  }
  for (const excess of excesses) console.error(`✗ ${excess}`);
  if (excesses.length > 0) process.exitCode = 1;
}

function tableOf(mode, workloads, excesses) {
  const rows = Object.entries(workloads).map(([workload, stores]) => {
    const cells = Object.entries(stores).flatMap(([store, { counts }]) =>
      Object.entries(counts).map(([kind, n]) => {
        const budget = budgets[mode]?.[workload]?.[store]?.[kind];
        const tolerance = workload === 'send' ? TOLERANCE_OF_WORKER : TOLERANCE;
        const isLimited = !NOT_LIMITED.includes(`${store} ${kind}`);
        if (isLimited && !(n <= budget + tolerance))
          excesses.push(`${mode}, ${workload}: ${n} ${kind} of ${store} a request; the budget is ${budget ?? 'missing'}`);
        return [`${store} ${kind}`, `${Number(n.toFixed(2))}${isLimited ? ` (${budget})` : ''}`];
      }),
    );
    return [workload, Object.fromEntries(cells)];
  });
  return Object.fromEntries(rows);
}

function list(workloads) {
  for (const [workload, stores] of Object.entries(workloads)) {
    for (const [store, { texts }] of Object.entries(stores))
      for (const [text, n] of texts) console.log(`${workload} · ${store} · ${n} × ${text}`);
  }
}

async function expected(status, answer) {
  const { status: got, body } = await answer;
  if (got !== status) throw new Error(`expected ${status} and got ${got}: ${JSON.stringify(body)}`);
  return body;
}

function clientOf(url) {
  const answerTo = async (path, init) => {
    const answer = await fetch(url + path, init);
    return { status: answer.status, body: await answer.json() };
  };
  return {
    get: (path, token) => answerTo(path, { headers: { authorization: `Bearer ${token}` } }),
    post: (path, body) =>
      answerTo(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  };
}
