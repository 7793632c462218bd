// Measures whether requests get slower while expired rows are deleted:
//   npm run bench -- housekeeping [--rows 5000000] [--seconds 10]
// A process that sends messages deletes expired rows every ten minutes, so this takes a quarter of an hour.
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { pinThisProcess } from './processes.mjs';
import { writeJson } from './report.mjs';
import { withStores } from './stores.mjs';
import { REQUESTS, startServer, SUBJECTS } from './subjects.mjs';
import { addTokens, requestsWith } from './tokens.mjs';
import { measureBearer, signIn } from './workloads.mjs';

const USERS = 1_000;
const VALID = 10_000;

/** The most that the 99th percentile may grow. */
const MOST_SLOWDOWN = 1.5;

const OPTIONS = {
  rows: { type: 'string', default: '5000000' },
  seconds: { type: 'string', default: '10' },
};

const EXPIRED = `now() - interval '1 day' + n * interval '1 millisecond'`;
const LEFT = 'select exists (select from tokens where expires_at < now()) as some';
const DELETED = `select n_tup_del::int as rows from pg_stat_user_tables where relname = 'tokens'`;

export async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const rows = Number(values.rows);
  const load = loadavg();
  pinThisProcess();
  await withStores(async (services) => {
    const subject = SUBJECTS.find(({ kind, sends, redis }) => kind === 'latchkey' && sends === 'in process' && !redis);
    const stores = await services.newStores(0, false);
    const server = await startServer(subject, stores, services.gateway.url);
    const client = new pg.Client({ connectionString: stores.DATABASE_URL });
    try {
      await client.connect();
      const context = {
        ...{ server, requests: REQUESTS.latchkey, seconds: Number(values.seconds) },
        pids: { server: server.pid, ...services.pids },
      };
      await signIn(context, USERS);
      await addTokens(client, 0, VALID);
      await addTokens(client, VALID, VALID + rows, EXPIRED);
      const measureOnce = () => measureBearer(context, requestsWith(VALID));
      await measureOnce();
      const before = [await measureOnce(), await measureOnce(), await measureOnce()];
      await untilDeleting(client);
      const during = [];
      const began = performance.now();
      while (await has(client, LEFT)) during.push(await measureOnce());
      report({ rows, before, during, tookMs: performance.now() - began }, load);
    } finally {
      await client.end();
      await server.stop();
    }
  });
}

async function has(client, query) {
  return (await client.query(query)).rows[0].some;
}

async function untilDeleting(client) {
  while ((await client.query(DELETED)).rows[0].rows === 0) await sleep(500);
}

function report({ rows, before, during, tookMs }, load) {
  const medianOf = (figures) => [...figures].sort((a, b) => a - b)[Math.floor(figures.length / 2)];
  const summary = (measured) => ({
    perSecond: Math.round(medianOf(measured.map(({ perSecond }) => perSecond))),
    p50Ms: medianOf(measured.map(({ p50Ms }) => p50Ms)),
    p99Ms: medianOf(measured.map(({ p99Ms }) => p99Ms)),
    unexpected: measured.reduce((sum, { unexpected }) => sum + unexpected, 0),
  });
  const results = { before: summary(before), during: summary(during) };
  console.table(results);
  const slowdown = Number((results.during.p99Ms / results.before.p99Ms).toFixed(2));
  const isMet = slowdown <= MOST_SLOWDOWN;
  console.log(`${rows} rows were deleted in ${Math.round(tookMs / 1_000)} s`);
  console.log(`target: p99 grows by at most ${MOST_SLOWDOWN}: ${isMet ? 'met' : 'missed'} (${slowdown})`);
  writeJson('housekeeping.json', {
    ...{ date: new Date().toISOString().slice(0, 10), load, isMet, rows, tookSeconds: Math.round(tookMs / 1_000) },
    ...{ slowdown, ...results },
  });
}
