// Bearer look-ups per second by prepared statement, by TypeORM repository and by TypeORM query builder:
//   npm run build && node bench/lookup.mjs
// A look-up finds a token by its hash, then its user. The embedded Postgres runs on the same machine.
import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import 'reflect-metadata';
import { DataSource, MoreThan } from 'typeorm';
import { Database, migrate, startEmbeddedPostgres } from '../dist/libs/postgres/src/index.js';
import { TokenEntity } from '../dist/libs/tokens/src/token.entity.js';
import { UserEntity } from '../dist/libs/users/src/user.entity.js';

const SESSIONS = 10_000;
const IN_FLIGHT = 16;
const ROUNDS = 7;
const ROUND_MS = 2_000;

const folder = mkdtempSync(path.join(tmpdir(), 'latchkey-bench-'));
chmodSync(folder, 0o711); // as root the embedded Postgres runs as another user
const postgres = await startEmbeddedPostgres(path.join(folder, 'postgres'));
const source = new DataSource({ type: 'postgres', url: postgres.url, entities: [TokenEntity, UserEntity], poolSize: 20 });
try {
  await migrate(postgres.url);
  await source.initialize();
  await insertSessions();
  console.table(await measureAll(lookups(new Database(source))));
} finally {
  await source.destroy();
  await postgres.stop();
  rmSync(folder, { recursive: true });
}

function lookups(database) {
  const [tokens, users] = [source.getRepository(TokenEntity), source.getRepository(UserEntity)];
  const token = {
    name: 'token',
    text: 'select user_id, expires_at from tokens where hash = $1 and scope = $2 and expires_at > now()',
  };
  const user = {
    name: 'user',
    text: 'select id, created_at, name, phone_sealed, version from users where id = $1',
  };
  return {
    'prepared statement': async (hash) => {
      const [{ user_id }] = await database.run(token, [hash, 'authentication']);
      const [row] = await database.run(user, [user_id]);
      return row.id;
    },
    'repository.findOneBy': async (hash) => {
      const valid = { hash, scope: 'authentication', expiresAt: MoreThan(new Date()) };
      const { userId } = await tokens.findOneBy(valid);
      return (await users.findOneBy({ id: userId })).id;
    },
    'query builder, getOne': async (hash) => {
      const { userId } = await tokenQuery(tokens, hash).getOne();
      return (await userQuery(users, userId).getOne()).id;
    },
    'query builder, getRawOne': async (hash) => {
      const { user_id } = await tokenQuery(tokens, hash).select('token.userId', 'user_id').getRawOne();
      return (await userQuery(users, user_id).getRawOne()).user_id;
    },
  };
}

function tokenQuery(tokens, hash) {
  return tokens
    .createQueryBuilder('token')
    .where('token.hash = :hash and token.scope = :scope', { hash, scope: 'authentication' })
    .andWhere('token.expiresAt > now()');
}

function userQuery(users, id) {
  return users.createQueryBuilder('user').where('user.id = :id', { id });
}

/** The ways take turns, so that other load on the machine hits all of them. */
async function measureAll(ways) {
  const rounds = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, lookUp] of Object.entries(ways)) rounds[name].push(await measure(lookUp));
  }
  const median = (name, key) => rounds[name].map((round) => round[key]).sort((a, b) => a - b)[ROUNDS >> 1];
  const summary = Object.keys(ways).map((name) => [
    name,
    { 'per second': Math.round(median(name, 'perSecond')), 'CPU ms each': Number(median(name, 'cpuMs').toFixed(3)) },
  ]);
  return Object.fromEntries(summary);
}

async function measure(lookUp) {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const end = start + ROUND_MS;
  let done = 0;
  const worker = async () => {
    while (performance.now() < end) {
      const n = Math.floor(Math.random() * SESSIONS);
      if ((await lookUp(hashOf(n))) === undefined) throw new Error('found no user');
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (done * 1_000) / (performance.now() - start), cpuMs: (user + system) / 1_000 / done };
}

async function insertSessions() {
  const expiresAt = new Date(Date.now() + 3_600_000);
  const users = Array.from({ length: SESSIONS }, (_, n) => {
    return { id: randomUUID(), phoneIndex: `index ${n}`, phoneSealed: 'x'.repeat(60) };
  });
  const tokens = users.map(({ id }, n) => {
    return { hash: hashOf(n), userId: id, scope: 'authentication', verificationId: `verification ${n}`, expiresAt };
  });
  await source.getRepository(UserEntity).save(users, { chunk: 1_000 });
  await source.getRepository(TokenEntity).save(tokens, { chunk: 1_000 });
  await source.query('vacuum analyze');
}

function hashOf(n) {
  return createHash('sha256').update(String(n)).digest();
}
