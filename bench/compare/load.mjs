// Sends requests: as a load with autocannon, and one batch of prepared requests with plain HTTP.
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { cpuMsOfTree } from './processes.mjs';

export const CONNECTIONS = 64;

/** The caches of the processor are those of another server at first. */
const LEAD_SECONDS = 1;
const JSON_HEADERS = { 'content-type': 'application/json' };

/**
 * Measures one workload.
 * @param nextRequest returns the next request: method, path, headers, body.
 * @param limit `{ duration }` in seconds or `{ amount }` of requests. Only a load with a duration has a lead.
 * @param pids processes by name, whose CPU time is measured.
 */
export async function measure(url, nextRequest, limit, expectedStatus, pids) {
  const requests = [{ setupRequest: (request) => ({ ...request, ...withBody(nextRequest()) }) }];
  const load = (bounds) => runLoad({ url, connections: CONNECTIONS, requests, ...bounds });
  if (limit.duration) await load({ duration: LEAD_SECONDS });
  const before = cpuOf(pids);
  const result = await load(limit);
  const after = cpuOf(pids);
  const unexpected = result.requests.total - (result.statusCodeStats[expectedStatus]?.count ?? 0) + result.errors;
  if (result.requests.total === 0) throw new Error(`${url} answered no request in ${limit.duration} s`);
  const cpuMs = Object.keys(pids).map((name) => [name, (after[name] - before[name]) / result.requests.total]);
  return {
    perSecond: (result.requests.total * 1_000) / result.tookMs,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    cpuMs: Object.fromEntries(cpuMs),
    requests: result.requests.total,
    unexpected,
  };
}

/** Runs autocannon. It ends a load of an amount at a whole second, so the time of the last answer is taken here. */
function runLoad(options) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    let last = start;
    const finish = (error, result) => (error ? reject(error) : resolve({ ...result, tookMs: last - start }));
    autocannon(options, finish).on('response', () => {
      last = performance.now();
    });
  });
}

/** Sends every request once, some at a time, and returns the answers in the same order. */
export async function sendAll(url, requests) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const answers = [];
  let next = 0;
  const lane = async () => {
    while (next < requests.length) {
      const i = next;
      next += 1;
      answers[i] = await sendOne(agent, url, requests[i]);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  agent.destroy();
  return answers;
}

export async function untilStill(look, quietMs) {
  for (let before = look(); ; before = look()) {
    await sleep(quietMs);
    if (look() === before) return;
  }
}

/** Sends one request, and returns its status, headers and body. */
export function sendOne(agent, url, request) {
  const { body, ...options } = withBody(request);
  return new Promise((resolve, reject) => {
    const sent = httpRequest(new URL(options.path, url), { agent, ...options }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: JSON.parse(text) }));
    });
    sent.on('error', reject).end(body);
  });
}

/** Copies the headers, because autocannon adds some. */
function withBody({ json, headers, ...request }) {
  if (json === undefined) return { method: 'GET', headers: { ...headers }, ...request };
  return { method: 'POST', headers: { ...JSON_HEADERS, ...headers }, ...request, body: JSON.stringify(json) };
}

function cpuOf(pids) {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuMsOfTree(pid)]));
}
