// The servers that are compared. Each one says how it is started and how its requests look.
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { Keys, nameSecret } from '../../dist/libs/keys/src/index.js';
import { deriveCode } from '../../dist/libs/otp/src/code.js';
import { root } from '../support/services.mjs';
import { SERVER_CORE, startOn } from './processes.mjs';

const SECRET = 'a secret that is only used to compare servers';
const SECRET_OF_CODES = nameSecret(SECRET);
const KEYS = new Keys(randomBytes(32), SECRET_OF_CODES);

/** All requests come from one address, and the codes of most numbers are never entered. */
const GENEROUS = {
  LIMIT_SENDS_PER_ADDRESS: '100000000/1h',
  LIMIT_CHECKS_PER_ADDRESS: '100000000/1h',
  BREAKER_MODE: 'monitor',
  SPEND_CAP_PER_DAY: '1000000',
  SPEND_CAP_PER_COUNTRY: '1000000',
};

/** Every subject. `sends` says where messages leave: in the server's process, by a worker, or nowhere. */
export const SUBJECTS = [
  { name: 'latchkey, Postgres', kind: 'latchkey', sends: 'in process' },
  { name: 'latchkey, Postgres, worker', kind: 'latchkey', sends: 'by a worker' },
  { name: 'latchkey, Redis', kind: 'latchkey', sends: 'in process', redis: true },
  { name: 'latchkey, Redis, worker', kind: 'latchkey', sends: 'by a worker', redis: true },
  { name: 'better-auth, Postgres', kind: 'peer' },
  { name: 'better-auth, Redis', kind: 'peer', redis: true },
  { name: 'ceiling, Postgres', kind: 'ceiling' },
  { name: 'ceiling, Redis', kind: 'ceiling', redis: true },
];

/**
 * @param stores `{ DATABASE_URL, REDIS_URL? }`.
 * @param more variables of this server.
 */
export function startServer(subject, stores, gatewayUrl, core = SERVER_CORE, more = {}) {
  if (subject.kind !== 'latchkey') {
    const main = path.join(import.meta.dirname, '../servers', `${subject.kind}.mjs`);
    return startOn(core, main, { NODE_ENV: 'production', ...stores }, /"url"/);
  }
  const env = { ...environment(stores, gatewayUrl), BACKGROUND: subject.sends === 'in process' ? 'on' : 'off' };
  return startOn(core, program('api'), { ...env, ...more }, /Latchkey is up/);
}

export function startWorker(core, stores, gatewayUrl) {
  return startOn(core, program('worker'), environment(stores, gatewayUrl), /waits for messages/);
}

function environment(stores, gatewayUrl) {
  const provider = { HTTP_SENDER_URL: gatewayUrl, HTTP_SENDER_ALLOW_PRIVATE: 'on' };
  const mode = { NODE_ENV: 'production', HOST: '127.0.0.1', PORT: '0', MIGRATE_ON_START: 'on' };
  return { ...mode, SECRET, LOG_LEVEL: 'info', ...GENEROUS, ...provider, ...stores };
}

function program(name) {
  return path.join(root, 'dist/bundle', `${name}.js`);
}

/** The requests of each kind of server. `codesOf` returns the codes of opened verifications, in their order. */
export const REQUESTS = {
  latchkey: {
    ask: (phone_number) => ({ path: '/v1/verifications', json: { phone_number } }),
    asked: 202,
    codesOf: async (opened) =>
      opened.map(({ number, body: { id } }) => deriveCode(KEYS.codeKey(SECRET_OF_CODES.id, id, number), 6)),
    check: ({ body: { id } }, code) => ({ path: `/v1/verifications/${id}/check`, json: { code } }),
    bearer: ({ body: { token } }) => ({ path: '/protected', headers: { authorization: `Bearer ${token}` } }),
    refuses: true,
  },
  peer: {
    ask: (phoneNumber) => ({ path: '/api/auth/phone-number/send-otp', json: { phoneNumber } }),
    asked: 200,
    codesOf: async (opened, url) => {
      const codes = new Map(await (await fetch(`${url}/codes`)).json());
      return opened.map(({ number }) => codes.get(number));
    },
    check: ({ number }, code) => ({ path: '/api/auth/phone-number/verify', json: { phoneNumber: number, code } }),
    bearer: ({ headers }) => {
      const cookie = headers['set-cookie'].map((text) => text.split(';')[0]).join('; ');
      return { path: '/api/auth/get-session', headers: { cookie } };
    },
    refuses: false,
  },
  ceiling: {
    ask: (phone_number) => ({ path: '/ask', json: { phone_number } }),
    asked: 202,
    codesOf: async (opened) => opened.map(() => '123456'),
    check: ({ body: { id } }, code) => ({ path: `/check/${id}`, json: { code } }),
    bearer: ({ body: { token } }) => ({ path: '/bearer', headers: { authorization: `Bearer ${token}` } }),
    refuses: true,
  },
};
