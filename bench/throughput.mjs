// Requests per second and latency of the built server, in the mode that the environment says:
//   npm run build && cd bench && npm install && npm start
//   REDIS_URL=redis://127.0.0.1:6379/9 npm start
// Server, database and load share this machine, so the numbers compare changes, not machines.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';

const SECONDS = 10;
const CONNECTIONS = 64;

const folder = mkdtempSync(path.join(tmpdir(), 'latchkey-bench-'));
chmodSync(folder, 0o711); // as root the embedded Postgres runs as another user
const { server, url } = await start();
try {
  const token = await signIn('+14155550100');
  let last = 2_000_000;
  const someNumber = () => `+1415${(last += 1)}`;
  const open = (request) => ({ ...request, body: JSON.stringify({ phone_number: someNumber() }) });

  const rows = [
    await measure('GET /health/live', { path: '/health/live' }),
    await measure('GET /protected', { path: '/protected', headers: { authorization: `Bearer ${token}` } }),
    await measure('POST /v1/verifications', {
      path: '/v1/verifications',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      setupRequest: open,
    }),
  ];
  console.table(Object.fromEntries(rows));
} finally {
  server.kill('SIGTERM');
  await new Promise((ended) => server.once('exit', ended));
  rmSync(folder, { recursive: true });
}

async function measure(name, request) {
  const result = await autocannon({ url, connections: CONNECTIONS, duration: SECONDS, requests: [request] });
  const { requests, latency, non2xx, errors } = result;
  return [name, { 'per second': Math.round(requests.average), 'p50 ms': latency.p50, 'p99 ms': latency.p99, refused: non2xx + errors }];
}

async function signIn(phone_number) {
  await post('/signup', { phone_number });
  let message;
  while (!message) [message] = await fetch(`${url}/dev/inbox/messages`).then((answer) => answer.json());
  return (await post('/signup', { phone_number, otp: message.code })).token;
}

async function post(route, body) {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(url + route, { method: 'POST', headers, body: JSON.stringify(body) })).json();
}

async function start() {
  const main = path.resolve(import.meta.dirname, '../dist/bundle/api.js');
  // All requests come from one address, and their codes are never entered.
  const generous = { LIMIT_SENDS_PER_ADDRESS: '100000000/1h', BREAKER_MODE: 'monitor', SPEND_CAP_PER_DAY: '1000000', SPEND_CAP_PER_COUNTRY: '1000000' };
  const port = await freePort();
  const env = { ...generous, ...process.env, PORT: String(port), DATA_DIR: folder, LOG_LEVEL: 'error' };
  const server = spawn(process.execPath, [main], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/health/ready`).then(({ ok }) => ok, () => false))) await sleep(100);
  return { server, url };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}
