// Measures sign-ups while twenty images are uploaded at once, again and again:
//   npm run bench -- avatars [--seconds 10]
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { measure } from './load.mjs';
import { pinThisProcess } from './processes.mjs';
import { writeJson } from './report.mjs';
import { withStores } from './stores.mjs';
import { REQUESTS, startServer, SUBJECTS } from './subjects.mjs';
import { someNumber, signIn } from './workloads.mjs';

const AT_ONCE = 20;
const UPLOADS_OF_USER = 10;
const USERS = 400;
const SIDE = 3_000;

/** The least share of the sign-ups that is left. */
const LEAST_SHARE = 0.5;

export async function run(args) {
  const { values } = parseArgs({ args, options: { seconds: { type: 'string', default: '10' } } });
  const duration = Number(values.seconds);
  const load = loadavg();
  pinThisProcess();
  const image = await photo();
  await withStores(async (services) => {
    const subject = SUBJECTS.find(({ sends, redis }) => sends === 'in process' && !redis);
    const stores = await services.newStores(0, false);
    const server = await startServer(subject, stores, services.gateway.url);
    try {
      const run = { server, requests: REQUESTS.latchkey, seconds: duration, pids: { server: server.pid, ...services.pids } };
      const sessions = await signIn(run, USERS);
      const signUps = () =>
        measure(server.url, () => ({ path: '/signup', json: { phone_number: someNumber() } }), { duration }, 200, run.pids);
      await signUps();
      const alone = await signUps();
      const uploads = startUploads(server.url, sessions, image);
      const beside = await signUps();
      report({ alone, beside, uploads: await uploads.stop(), seconds: duration, imageBytes: image.length }, load);
    } finally {
      await server.stop();
    }
  });
}

/** A photograph of nine megapixels: noise is the worst case for a decoder. */
function photo() {
  const noise = { type: 'gaussian', mean: 128, sigma: 20 };
  const create = { width: SIDE, height: SIDE, channels: 3, background: 'grey', noise };
  return sharp({ create }).jpeg({ quality: 60 }).toBuffer();
}

function startUploads(url, sessions, image) {
  const queue = sessions.flatMap((session) => Array(UPLOADS_OF_USER).fill(session));
  const statuses = {};
  let isStopping = false;
  const lane = async () => {
    while (!isStopping && queue.length > 0) {
      const { headers } = queue.pop();
      const answer = await fetch(`${url}/v1/me/avatar`, { method: 'PUT', headers: { ...headers, 'content-type': 'image/jpeg' }, body: image });
      await answer.arrayBuffer();
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
    }
  };
  const lanes = Promise.all(Array.from({ length: AT_ONCE }, lane));
  return {
    stop: async () => {
      isStopping = true;
      await lanes;
      return statuses;
    },
  };
}

function report({ alone, beside, uploads, ...facts }, load) {
  const summary = ({ perSecond, p50Ms, p99Ms, unexpected }) => ({ perSecond: Math.round(perSecond), p50Ms, p99Ms, unexpected });
  const results = { alone: summary(alone), beside: summary(beside) };
  console.table(results);
  const share = Number((beside.perSecond / alone.perSecond).toFixed(2));
  const isMet = share >= LEAST_SHARE;
  console.log(`uploads by status: ${JSON.stringify(uploads)}`);
  console.log(`target: at least ${LEAST_SHARE} of the sign-ups are left: ${isMet ? 'met' : 'missed'} (${share})`);
  writeJson('avatars.json', { date: new Date().toISOString().slice(0, 10), load, isMet, share, uploads, ...facts, ...results });
}
