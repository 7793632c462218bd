// Measures several API processes behind one port, and the messages that one worker sends with a slow provider:
//   npm run bench -- scale [--seconds 10]
// Nothing is pinned to a core, so the load and the stores take their part of the machine.
import { parseArgs } from 'node:util';
import { ALL_CORES } from './processes.mjs';
import { writeJson } from './report.mjs';
import { withStores } from './stores.mjs';
import { REQUESTS, startServer, SUBJECTS } from './subjects.mjs';
import { measureAsk, measureDelivery, open } from './workloads.mjs';

const PROCESSES = [1, 2, 4];

const SLOW_PROVIDER_MS = 200;
const MESSAGES = 6_000;

/** Messages a second that should leave with the slow provider. */
const LEAST_MESSAGES = 300;

const OPTIONS = { seconds: { type: 'string', default: '10' }, 'warm-up': { type: 'string', default: '20' } };

export async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const [seconds, warmUp] = [Number(values.seconds), Number(values['warm-up'])];
  const subjects = SUBJECTS.filter(({ kind, sends }) => kind === 'latchkey' && sends === 'by a worker');
  await withStores(async (services) => {
    const results = [];
    for (const [index, subject] of subjects.entries()) {
      const stores = await services.newStores(index, subject.redis);
      const asked = [];
      for (const processes of PROCESSES) {
        const measured = await whileRunning(subject, stores, services, processes, async (run) => {
          await measureAsk({ ...run, seconds: warmUp });
          return measureAsk({ ...run, seconds });
        });
        asked.push({ processes, ...measured });
      }
      const fresh = await services.newStores(subjects.length + index, subject.redis);
      const deliver = await whileRunning(subject, fresh, services, 1, async (run) => {
        await open(run, MESSAGES);
        return measureDelivery({ ...services, stores: fresh }, MESSAGES, ALL_CORES);
      });
      results.push({ subject: subject.name, asked, deliver });
    }
    report(results);
  }, SLOW_PROVIDER_MS);
}

async function whileRunning(subject, stores, { gateway, pids }, processes, work) {
  const more = processes === 1 ? {} : { WORKERS: String(processes) };
  const server = await startServer(subject, stores, gateway.url, ALL_CORES, more);
  try {
    return await work({ server, requests: REQUESTS.latchkey, pids: { server: server.pid, ...pids } });
  } finally {
    await server.stop();
  }
}

function report(results) {
  const rows = results.flatMap(({ subject, asked }) =>
    asked.map(({ processes, perSecond, p99Ms, cpuMs, unexpected }) => {
      const cpu = Object.fromEntries(Object.entries(cpuMs).map(([name, ms]) => [`${name} CPU ms`, Number(ms.toFixed(2))]));
      return { subject, processes, 'ask/s': Math.round(perSecond), 'p99 ms': p99Ms, ...cpu, unexpected };
    }),
  );
  console.table(rows);
  for (const { subject, deliver } of results) {
    const isMet = deliver.perSecond >= LEAST_MESSAGES;
    console.log(
      `${subject}: ${Math.round(deliver.perSecond)} messages/s with a provider of ${SLOW_PROVIDER_MS} ms ` +
        `(target ${LEAST_MESSAGES}: ${isMet ? 'met' : 'missed'}), CPU ${deliver.cpuMs.worker.toFixed(2)} ms each`,
    );
  }
  writeJson('scale.json', { date: new Date().toISOString().slice(0, 10), results });
}
