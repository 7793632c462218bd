// Compares this server with better-auth and with bare Fastify:
//   npm run bench [-- --seconds 5 --rounds 3 --checks 3000 --warm-up 15]
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pinThisProcess, residentMb } from './processes.mjs';
import { writeReport } from './report.mjs';
import { withStores } from './stores.mjs';
import { SUBJECTS } from './subjects.mjs';
import { compareWithTargets } from './targets.mjs';
import { measureSubject, startSubject } from './workloads.mjs';

/** Above this share of busy cores, something else uses the machine. */
const QUIET_SHARE = 0.1;
const LOOK_MS = 2_000;

/** Without requests Node frees the memory that its start used, within three quarters of a minute. */
const IDLE_MS = 60_000;

const OPTIONS = {
  seconds: { type: 'string', default: '5' },
  rounds: { type: 'string', default: '3' },
  checks: { type: 'string', default: '3000' },
  'warm-up': { type: 'string', default: '15' },
};

export async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const [seconds, rounds, checks] = [values.seconds, values.rounds, values.checks].map(Number);
  const warmUp = { seconds: Number(values['warm-up']), checks: 2 * checks };
  const busy = await busyShare();
  pinThisProcess();
  await withStores(async (services) => {
    const running = [];
    const measured = Object.fromEntries(SUBJECTS.map(({ name }) => [name, []]));
    try {
      for (const [index, subject] of SUBJECTS.entries()) {
        const stores = await services.newStores(index, subject.redis);
        running.push(await startSubject(subject, { ...services, stores }));
      }
      await wait(IDLE_MS);
      for (const { state, server } of running) state.idleMb = residentMb(server.pid);
      for (const run of running) {
        process.stderr.write(`warm-up, ${run.subject.name}\n`);
        await measureSubject(run, warmUp);
      }
      for (let round = 1; round <= rounds; round += 1) {
        for (const run of running) {
          process.stderr.write(`round ${round}, ${run.subject.name}\n`);
          measured[run.subject.name].push(await measureSubject(run, { seconds, checks }));
        }
      }
    } finally {
      for (const { server } of running) await server.stop();
    }
    const results = Object.fromEntries(Object.entries(measured).map(([name, all]) => [name, medianOf(all)]));
    const noise = noiseOf(busy);
    const versions = { ...services.versions, betterAuth: versionOf('better-auth') };
    const about = { date: new Date().toISOString().slice(0, 10), machine: machine(), busy, noise, versions };
    console.log(writeReport({ ...about, seconds, rounds, checks, results, targets: compareWithTargets(results) }));
  });
}

/** The median of each number; objects of the same shape are merged member by member. */
function medianOf(values) {
  if (typeof values[0] === 'number') return values.toSorted((a, b) => a - b)[values.length >> 1];
  return Object.fromEntries(Object.keys(values[0]).map((key) => [key, medianOf(values.map((value) => value[key]))]));
}

/** Returns the share of the cores that is busy before anything of this run is. */
async function busyShare() {
  const before = cpuTimes();
  await wait(LOOK_MS);
  const after = cpuTimes();
  return 1 - (after.idle - before.idle) / (after.all - before.all);
}

function cpuTimes() {
  const times = cpus().map((cpu) => cpu.times);
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  return { idle: sum(times.map(({ idle }) => idle)), all: sum(times.flatMap((each) => Object.values(each))) };
}

function noiseOf(busy) {
  if (busy <= QUIET_SHARE) return null;
  return `Something else used ${Math.round(busy * 100)} % of this machine at the start, so these numbers are not to be quoted.`;
}

function machine() {
  return { cpu: cpus()[0].model.trim(), cores: cpus().length, node: process.versions.node };
}

function versionOf(name) {
  const file = path.join(import.meta.dirname, '../node_modules', name, 'package.json');
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
