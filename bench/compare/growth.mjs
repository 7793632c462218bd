// Measures whether requests get slower as tokens accumulate:
//   npm run bench -- growth [--large] [--seconds 5] [--checks 2000]
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { pinThisProcess } from './processes.mjs';
import { writeJson } from './report.mjs';
import { withStores } from './stores.mjs';
import { REQUESTS, startServer, SUBJECTS } from './subjects.mjs';
import { addTokens, requestsWith } from './tokens.mjs';
import { measureBearer, measureChecks, open, signIn } from './workloads.mjs';

const SIZES = [10_000, 1_000_000];
const LARGE_SIZE = 5_000_000;

/** The most that a request may slow down from the first size to the others. */
const MOST_SLOWDOWN = 1.2;

const USERS = 1_000;
const SPARE = 64;

const OPTIONS = {
  large: { type: 'boolean', default: false },
  seconds: { type: 'string', default: '5' },
  checks: { type: 'string', default: '2000' },
};

export async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const sizes = values.large ? [...SIZES, LARGE_SIZE] : SIZES;
  const load = loadavg();
  pinThisProcess();
  await withStores(async (services) => {
    const subject = SUBJECTS.find(({ kind, sends, redis }) => kind === 'latchkey' && sends === 'by a worker' && !redis);
    const stores = await services.newStores(0, false);
    const server = await startServer(subject, stores, services.gateway.url);
    const client = new pg.Client({ connectionString: stores.DATABASE_URL });
    try {
      await client.connect();
      const numbers = { seconds: Number(values.seconds), checks: Number(values.checks) };
      const context = { server, requests: REQUESTS.latchkey, pids: { server: server.pid, ...services.pids }, ...numbers };
      await signIn(context, USERS);
      const results = [];
      let tokens = 0;
      for (const size of sizes) {
        await addTokens(client, tokens, size);
        tokens = size;
        // Warms up the server, which has just started, and the cache of Postgres.
        await measureAt(context, tokens);
        results.push({ tokens, ...(await measureAt(context, tokens)) });
      }
      report(results, load);
    } finally {
      await client.end();
      await server.stop();
    }
  });
}

async function measureAt(context, tokens) {
  const bearer = await measureBearer(context, requestsWith(tokens));
  const opened = await open(context, context.checks + SPARE);
  const check = await measureChecks(context, opened, { amount: context.checks });
  return { bearer, check };
}

function report(results, load) {
  const [first] = results;
  const rows = results.map(({ tokens, bearer, check }) => {
    const slower = (one, base) => Number((base.perSecond / one.perSecond).toFixed(2));
    return {
      tokens,
      'bearer/s': Math.round(bearer.perSecond),
      'bearer, slower by': slower(bearer, first.bearer),
      'check/s': Math.round(check.perSecond),
      'check, slower by': slower(check, first.check),
      'unexpected answers': bearer.unexpected + check.unexpected,
    };
  });
  console.table(rows);
  const last = rows.at(-1);
  const isMet = Math.max(last['bearer, slower by'], last['check, slower by']) <= MOST_SLOWDOWN;
  console.log(`target: slower by at most ${MOST_SLOWDOWN}: ${isMet ? 'met' : 'missed'} (load average ${load[0].toFixed(1)} at the start)`);
  writeJson('growth.json', { date: new Date().toISOString().slice(0, 10), load, isMet, results });
}
