// Measures whether the time of an answer tells who has an account:
//   npm run bench -- enumeration [--requests 1000]
// Requests about numbers with and without an account alternate, one at a time. The Mann-Whitney U test compares their times.
import { Agent } from 'node:http';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';
import { cumulativeStdNormalProbability, median, wilcoxonRankSum } from 'simple-statistics';
import { sendAll, sendOne } from './load.mjs';
import { pinThisProcess } from './processes.mjs';
import { writeJson } from './report.mjs';
import { withStores } from './stores.mjs';
import { REQUESTS, startServer, SUBJECTS } from './subjects.mjs';
import { someNumber, signIn } from './workloads.mjs';

/** A smaller probability would mean that the times differ. */
const LEAST_P = 0.01;

const WARM_UP = 300;
const OPTIONS = { requests: { type: 'string', default: '1000' } };
const { ask, check, codesOf } = REQUESTS.latchkey;

export async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const count = Number(values.requests);
  const load = loadavg();
  pinThisProcess();
  const results = {};
  await withStores(async (services) => {
    for (const [index, redis] of [false, true].entries()) {
      const subject = SUBJECTS.find(({ sends, redis: has = false }) => sends === 'in process' && has === redis);
      const stores = await services.newStores(index, redis);
      const server = await startServer(subject, stores, services.gateway.url);
      try {
        results[subject.name] = await measureServer({ server, stores, count, pids: services.pids });
      } finally {
        await server.stop();
      }
    }
  });
  report(results, load);
}

async function measureServer({ server, stores, count, pids }) {
  const run = { server, requests: REQUESTS.latchkey, seconds: 0, pids };
  const half = count / 2;
  const sessions = await signIn(run, half);
  const known = await numbersOfUsers(server, sessions);
  // Only the accounts are left: what was asked before must not tell the numbers apart.
  await forgetRequests(stores);
  // Of another user: the number of the session itself is refused.
  const authorization = (n) => sessions[(n + 1) % half].headers;
  const change = (number, n) => ({ path: '/v1/me/phone_number', json: { phone_number: number }, headers: authorization(n) });
  const pairs = () => known.map((number) => [number, someNumber()]);
  await measurePairs(server.url, pairs().slice(0, WARM_UP), (number) => ask(number), 202);
  await forgetRequests(stores);
  const asked = await measurePairs(server.url, pairs(), ask, 202);
  await forgetRequests(stores);
  const moved = pairs();
  const changes = await measurePairs(server.url, moved, change, 202);
  await sleep(1_000);
  const opened = changes.answers.map(({ number, answer }) => ({ number, body: answer.body }));
  const codes = await codesOf(opened, server.url);
  // A right code for a number with an account, and a wrong one for another.
  const codeOf = new Map(opened.map(({ number, body }, i) => [number, { body, code: codes[i] }]));
  const isKnown = new Set(known);
  const guess = (number, n) => {
    const { body, code } = codeOf.get(number);
    const typed = isKnown.has(number) ? code : String((Number(code) + 1) % 1_000_000).padStart(6, '0');
    return { ...check({ body }, typed), headers: authorization(n) };
  };
  const checked = await measurePairs(server.url, moved, guess, 401);
  return { 'POST /v1/verifications': asked.times, 'POST /v1/me/phone_number': changes.times, 'check of a change': checked.times };
}

/** Sends two requests for each pair, in an order that changes, and returns the answers and the times of both kinds. */
async function measurePairs(url, pairs, requestOf, expected) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times = { known: [], unknown: [] };
  const answers = [];
  for (const [n, pair] of pairs.entries()) {
    const order = Math.random() < 0.5 ? [0, 1] : [1, 0];
    for (const i of order) {
      const request = requestOf(pair[i], n);
      const start = performance.now();
      const answer = await sendOne(agent, url, request);
      times[i === 0 ? 'known' : 'unknown'].push(performance.now() - start);
      if (answer.status !== expected) throw new Error(`expected ${expected}: ${JSON.stringify(answer.body)}`);
      answers.push({ number: pair[i], answer });
    }
  }
  agent.destroy();
  return { times: compared(times), answers };
}

function compared({ known, unknown }) {
  const [n, m] = [known.length, unknown.length];
  const deviation = Math.sqrt((n * m * (n + m + 1)) / 12);
  const z = (wilcoxonRankSum(known, unknown) - (n * (n + m + 1)) / 2) / deviation;
  const p = 2 * (1 - cumulativeStdNormalProbability(Math.abs(z)));
  return { requests: n + m, knownMs: Number(median(known).toFixed(3)), unknownMs: Number(median(unknown).toFixed(3)), p: Number(p.toFixed(3)) };
}

async function numbersOfUsers(server, sessions) {
  const answers = await sendAll(server.url, sessions);
  return answers.map(({ body }) => body.user.phone_number);
}

async function forgetRequests({ DATABASE_URL, REDIS_URL }) {
  const client = new pg.Client({ connectionString: DATABASE_URL });
  await client.connect();
  try {
    await client.query('set search_path to latchkey');
    await client.query('truncate abuse_states, verifications, tasks');
    await client.query('vacuum analyze users');
  } finally {
    await client.end();
  }
  if (!REDIS_URL) return;
  const redis = new Redis(REDIS_URL);
  const keys = (await redis.keys('latchkey:*')).filter((key) => !key.startsWith('latchkey:queue'));
  if (keys.length > 0) await redis.del(keys);
  await redis.quit();
}

function report(results, load) {
  let isMet = true;
  for (const [name, questions] of Object.entries(results)) {
    console.log(`\n${name}`);
    console.table(questions);
    isMet &&= Object.values(questions).every(({ p }) => p > LEAST_P);
  }
  console.log(`target: p > ${LEAST_P} for every kind of request: ${isMet ? 'met' : 'missed'}`);
  writeJson('enumeration.json', { date: new Date().toISOString().slice(0, 10), load, isMet, ...results });
}
