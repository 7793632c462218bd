// Compares this server with better-auth and with bare Fastify:
//   npm run bench [-- --seconds 5 --rounds 3 --checks 3000]
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { pinThisProcess } from './processes.mjs';
import { writeReport } from './report.mjs';
import { withStores } from './stores.mjs';
import { startServer, SUBJECTS } from './subjects.mjs';
import { compareWithTargets } from './targets.mjs';
import { measureSubject } from './workloads.mjs';

/** Above this load average, something else used the two cores when the run started. */
const QUIET_LOAD = 0.5;

const OPTIONS = {
  seconds: { type: 'string', default: '5' },
  rounds: { type: 'string', default: '3' },
  checks: { type: 'string', default: '3000' },
};

export async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const [seconds, rounds, checks] = [values.seconds, values.rounds, values.checks].map(Number);
  const load = [loadavg()];
  pinThisProcess();
  await withStores(async (services) => {
    await prepare(services);
    const measured = Object.fromEntries(SUBJECTS.map(({ name }) => [name, []]));
    for (let round = 1; round <= rounds; round += 1) {
      for (const [index, subject] of SUBJECTS.entries()) {
        process.stderr.write(`round ${round}, ${subject.name}\n`);
        const stores = await services.freshStores(index, subject.redis);
        measured[subject.name].push(await measureSubject(subject, { ...services, stores, seconds, checks }));
      }
    }
    load.push(loadavg());
    const results = Object.fromEntries(Object.entries(measured).map(([name, all]) => [name, medianOf(all)]));
    const noise = noiseOf(load[0][0]);
    const versions = { ...services.versions, betterAuth: versionOf('better-auth') };
    const about = { date: new Date().toISOString().slice(0, 10), machine: machine(), load, noise, versions };
    console.log(writeReport({ ...about, seconds, rounds, checks, results, targets: compareWithTargets(results) }));
  });
}

/** Starts every server once, so that the start that is measured creates no tables. */
async function prepare({ templateOf, gateway }) {
  for (const [index, subject] of SUBJECTS.entries()) {
    const server = await startServer(subject, await templateOf(index, subject.redis), gateway.url);
    await server.stop();
  }
}

/** The median of each number; objects of the same shape are merged member by member. */
function medianOf(values) {
  if (typeof values[0] === 'number') return values.toSorted((a, b) => a - b)[values.length >> 1];
  return Object.fromEntries(Object.keys(values[0]).map((key) => [key, medianOf(values.map((value) => value[key]))]));
}

function noiseOf(load) {
  if (load <= QUIET_LOAD) return null;
  return `Something else used this machine (load average ${load.toFixed(1)} at the start), so these numbers are not to be quoted.`;
}

function machine() {
  return { cpu: cpus()[0].model.trim(), cores: cpus().length, node: process.versions.node };
}

function versionOf(name) {
  const file = path.join(import.meta.dirname, '../node_modules', name, 'package.json');
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
