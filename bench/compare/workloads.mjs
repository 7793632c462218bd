// What is measured of one server in one round.
import { setTimeout as sleep } from 'node:timers/promises';
import { measure, sendAll, untilStill } from './load.mjs';
import { cpuMsOfTree, OTHER_CORE, residentMb, SERVER_CORE } from './processes.mjs';
import { REQUESTS, startServer, startWorker } from './subjects.mjs';

const SESSIONS = 100;

/** Requests that autocannon may prepare and not send: one for each connection. */
const SPARE = 64;

/**
 * Checks before the measured ones. `measure` has a lead only for a load with a duration. After two minutes without checks a server
 * takes a fifth more CPU time for the next 3,000, and the ceiling half as much again.
 */
const LEAD_CHECKS = 3_000;

/** A worker that has just started needs several times as much CPU time. */
const WORKER_WARM_UP_SECONDS = 10;

const QUIET_MS = 1_500;
const DELIVERY_DEADLINE_MS = 120_000;

let lastNumber = 2_000_000;
export const someNumber = () => `+1415${(lastNumber += 1)}`;

/**
 * Starts the server of a subject. It was started once before, so that its start creates no tables.
 * @param context `{ stores, gateway, pids }`; `pids` are the stores' processes.
 */
export async function startSubject(subject, context) {
  const start = () => startServer(subject, context.stores, context.gateway.url);
  await (await start()).stop();
  const server = await start();
  const pids = { server: server.pid, ...context.pids };
  return { ...context, subject, server, requests: REQUESTS[subject.kind], pids, state: { startMs: server.startMs } };
}

/**
 * Measures a subject. Sends in the same process matter for `ask` only, so the rest is measured without them.
 * @param amounts `{ seconds, checks }`.
 */
export async function measureSubject(started, amounts) {
  const run = { ...started, ...amounts };
  const workloads = run.subject.sends === 'in process' ? await measureInProcess(run) : await measureAll(run);
  return { ...run.state, loadedMb: residentMb(run.server.pid), workloads };
}

async function measureInProcess(run) {
  const ask = await measureAsk(run);
  await untilStill(() => run.gateway.received, QUIET_MS);
  return { ask };
}

async function measureAll(run) {
  const lead = LEAD_CHECKS + SPARE;
  const opened = await open(run, lead + run.checks + SPARE);
  const isOurs = run.subject.kind === 'latchkey';
  const results = isOurs ? { deliver: await measureDelivery(run, opened.length) } : {};
  await measureChecks(run, opened.slice(0, lead), { amount: LEAD_CHECKS });
  results.check = await measureChecks(run, opened.slice(lead), { amount: run.checks });
  results.bearer = await measureBearer(run, await signIn(run, SESSIONS));
  if (run.requests.refuses) results.refuse = await measureRefusals(run);
  results.ask = isOurs ? await measureAskWithWorker(run) : await measureAsk(run);
  return results;
}

export function measureAsk({ server, requests, seconds, pids }) {
  const next = () => requests.ask(someNumber());
  return measure(server.url, next, { duration: seconds }, requests.asked, pids);
}

async function measureAskWithWorker(run) {
  const worker = await startWorker(OTHER_CORE, run.stores, run.gateway.url);
  try {
    await measureAsk({ ...run, seconds: WORKER_WARM_UP_SECONDS });
    await untilStill(() => run.gateway.received, QUIET_MS);
    const result = await measureAsk({ ...run, pids: { ...run.pids, worker: worker.pid } });
    // Later measurements find no message of this one.
    await untilStill(() => run.gateway.received, QUIET_MS);
    return result;
  } finally {
    await worker.stop();
  }
}

/**
 * Measures how fast one worker, on the server's core, sends messages that wait. The worker has just started, so the first half
 * of the messages warms it up.
 */
export async function measureDelivery({ stores, gateway }, messages, core = SERVER_CORE) {
  const before = gateway.received;
  const worker = await startWorker(core, stores, gateway.url);
  try {
    const received = () => gateway.received - before;
    const deadline = performance.now() + DELIVERY_DEADLINE_MS;
    const reach = async (count) => {
      while (received() < count) {
        if (performance.now() > deadline) throw new Error(`only ${received()} of ${messages} messages were sent`);
        await sleep(2);
      }
      return performance.now();
    };
    const [first, firstCount] = [await reach(messages / 2), received()];
    const cpu = cpuMsOfTree(worker.pid);
    const last = await reach(messages);
    const sent = messages - firstCount;
    const cpuMs = { worker: (cpuMsOfTree(worker.pid) - cpu) / sent };
    await untilStill(() => gateway.received, QUIET_MS);
    const unexpected = received() - messages;
    return { perSecond: (sent * 1_000) / (last - first), cpuMs, requests: messages, unexpected };
  } finally {
    await worker.stop();
  }
}

export async function measureChecks({ server, requests, pids }, opened, limit) {
  const codes = await requests.codesOf(opened, server.url);
  let i = 0;
  const next = () => {
    const at = i++ % opened.length;
    return requests.check(opened[at], codes[at]);
  };
  return measure(server.url, next, limit, 200, pids);
}

export async function measureBearer({ server, seconds, pids }, requestsToSend) {
  const next = () => requestsToSend[Math.floor(Math.random() * requestsToSend.length)];
  return measure(server.url, next, { duration: seconds }, 200, pids);
}

async function measureRefusals({ server, requests, seconds, pids }) {
  const number = someNumber();
  await sendAll(server.url, [requests.ask(number)]);
  return measure(server.url, () => requests.ask(number), { duration: seconds }, 429, pids);
}

/** Opens verifications. */
export async function open({ server, requests }, count) {
  const numbers = Array.from({ length: count }, someNumber);
  const answers = await sendAll(server.url, numbers.map(requests.ask));
  const refused = answers.find(({ status }) => status !== requests.asked);
  if (refused) throw new Error(`expected ${requests.asked} and got ${refused.status}: ${JSON.stringify(refused.body)}`);
  return answers.map((answer, i) => ({ ...answer, number: numbers[i] }));
}

/** Signs in new numbers, and returns a request with each session. */
export async function signIn(run, count) {
  const opened = await open(run, count);
  const codes = await run.requests.codesOf(opened, run.server.url);
  const answers = await sendAll(
    run.server.url,
    opened.map((verification, i) => run.requests.check(verification, codes[i])),
  );
  assertSuccess('sign-in', answers);
  const sessions = answers.map(run.requests.bearer);
  assertSuccess('request with a session', await sendAll(run.server.url, sessions));
  return sessions;
}

/** better-auth answers 200 with `null` where there is no session. */
function assertSuccess(what, answers) {
  const failed = answers.find(({ status, body }) => status !== 200 || body === null);
  if (failed) throw new Error(`a ${what} failed with ${failed.status}: ${JSON.stringify(failed.body)}`);
}
