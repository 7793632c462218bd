import { createHash } from 'node:crypto';
import { base32nopad } from '@scure/base';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { Unavailable, VerificationClosed } from '#errors';
import { Database } from '#postgres';
import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { TcpProxy } from '../../../test/support/proxy.js';
import { times } from '../../../test/support/repeat.js';
import { waitFor } from '../../../test/support/wait.js';
import { TokenEntity } from './token.entity.js';
import type { Scope } from './token.js';
import { TokensRepository } from './tokens.repository.js';

const HOUR = 3_600_000;
const scope: Scope = 'authentication';

describe('TokensRepository', () => {
  let server: TestDatabase;
  let wire: TcpProxy;
  let source: DataSource;
  let database: Database;
  let tokens: TokensRepository;

  beforeAll(async () => {
    server = await freshDatabase();
    wire = await TcpProxy.before(server.url);
    source = new DataSource({ type: 'postgres', url: wire.url, entities: [TokenEntity], poolSize: 10 });
    await source.initialize();
    database = new Database(source);
    tokens = repository(HOUR);
  });
  beforeEach(() => server.query('delete from users'));
  afterAll(async () => {
    await source.destroy();
    await wire.close();
    await server.drop();
  });

  function repository(ttlMs: number): TokensRepository {
    return new TokensRepository(database, source.getRepository(TokenEntity), { ttlMs });
  }

  async function someUser(): Promise<string> {
    const id = uuidv7();
    await server.query('insert into users (id, phone_index, phone_sealed) values ($1, $2, $2)', [id, id]);
    return id;
  }

  /** Inserts a token. */
  async function issued(userId: string, by = tokens): Promise<{ secret: string; expiresAt: Date }> {
    const { secret } = by.generate();
    return { secret, expiresAt: await insert({ secret }, userId, uuidv7(), by) };
  }

  function insert(
    token: { secret: string },
    userId: string,
    verificationId: string = uuidv7(),
    by = tokens,
  ): Promise<Date> {
    return database.transaction((transaction) =>
      by.insert(transaction, token, { userId, scope, verificationId }),
    );
  }

  it('generates tokens of sixteen random bytes in base32', () => {
    const secrets = times(100, () => tokens.generate().secret);
    for (const secret of secrets) {
      expect(secret).toMatch(/^[A-Z2-7]{26}$/);
      expect(base32nopad.decode(secret)).toHaveLength(16);
    }
    expect(new Set(secrets).size).toBe(100);
  });

  it('finds the user and the expiry of a token', async () => {
    const [ada, eve] = [await someUser(), await someUser()];
    const [tokenOfAda, tokenOfEve] = [await issued(ada), await issued(eve)];
    expect(await tokens.find(tokenOfAda.secret, scope)).toEqual({
      userId: ada,
      expiresAt: tokenOfAda.expiresAt,
    });
    expect(await tokens.find(tokenOfEve.secret, scope)).toMatchObject({ userId: eve });
  });

  it('stores a token with the lifetime of the policy, whatever this process takes for the time', async () => {
    const clock = jest.spyOn(Date, 'now').mockReturnValue(0);
    const { expiresAt } = await issued(await someUser());
    clock.mockRestore();
    const [row] = await server.query<{ created_at: Date }>('select created_at from tokens');
    expect(expiresAt.getTime() - (row?.created_at.getTime() ?? 0)).toBeCloseTo(HOUR, -2);
  });

  it('stores only the hash of the secret', async () => {
    const { secret } = await issued(await someUser());
    const [row] = await server.query<{ hash: Buffer; dump: string }>(
      'select hash, t::text as dump from tokens t',
    );
    expect(row?.hash).toEqual(createHash('sha256').update(secret).digest());
    expect(row?.dump).not.toContain(secret);
    expect(row?.dump).not.toContain(Buffer.from(base32nopad.decode(secret)).toString('hex'));
  });

  it('does not find a token of another scope', async () => {
    const { secret } = await issued(await someUser());
    expect(await tokens.find(secret, 'another' as Scope)).toBeNull();
  });

  it('does not find a token that was never inserted', async () => {
    expect(await tokens.find(tokens.generate().secret, scope)).toBeNull();
  });

  it('does not find an expired token', async () => {
    const shortLived = repository(100);
    const [short, long] = [await issued(await someUser(), shortLived), await issued(await someUser())];
    await waitFor('the expiry', async () => (await tokens.find(short.secret, scope)) === null);
    expect(await tokens.find(long.secret, scope)).not.toBeNull();
  });

  it('rejects a malformed token without asking the database', async () => {
    const { secret } = await issued(await someUser());
    wire.cut();
    const malformed = [
      '',
      'x',
      secret.toLowerCase(),
      secret.slice(1),
      `${secret}A`,
      ` ${secret}`,
      `${secret}\n`,
    ];
    for (const text of [...malformed, secret.replace(/./, '1'), '\0'.repeat(26), `'; drop table tokens --`])
      expect(await tokens.find(text, scope)).toBeNull();
    await expect(tokens.find(secret, scope)).rejects.toThrow(Unavailable);
    wire.heal();
  });

  it('stores one token for a verification', async () => {
    const [userId, verificationId] = [await someUser(), uuidv7()];
    const token = tokens.generate();
    await insert(token, userId, verificationId);
    await expect(insert(tokens.generate(), userId, verificationId)).rejects.toThrow(VerificationClosed);
    expect(await server.query('select from tokens')).toHaveLength(1);
    expect(await tokens.find(token.secret, scope)).not.toBeNull();
  });

  it('stores one token for a verification when many are inserted at once', async () => {
    const [userId, verificationId] = [await someUser(), uuidv7()];
    const inserts = times(20, () => insert(tokens.generate(), userId, verificationId));
    const outcomes = await Promise.allSettled(inserts);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await server.query('select from tokens')).toHaveLength(1);
  });

  it('accepts the same token twice', async () => {
    const [userId, verificationId, token] = [await someUser(), uuidv7(), tokens.generate()];
    const expiresAt = await insert(token, userId, verificationId);
    expect(await insert(token, userId, verificationId)).toEqual(expiresAt);
    expect(await server.query('select from tokens')).toHaveLength(1);
  });

  it('deletes all tokens of a user and no others', async () => {
    const [ada, eve] = [await someUser(), await someUser()];
    const [first, second, other] = [await issued(ada), await issued(ada), await issued(eve)];
    await tokens.deleteAllForUser('another' as Scope, ada);
    expect(await tokens.find(first.secret, scope)).not.toBeNull();
    await tokens.deleteAllForUser(scope, ada);
    expect(await tokens.find(first.secret, scope)).toBeNull();
    expect(await tokens.find(second.secret, scope)).toBeNull();
    expect(await tokens.find(other.secret, scope)).not.toBeNull();
  });

  it('throws Unavailable for each of its calls while Postgres is down', async () => {
    const { secret } = await issued(await someUser());
    wire.cut();
    const calls = [
      () => tokens.find(secret, scope),
      () => tokens.deleteAllForUser(scope, uuidv7()),
      () => tokens.purge(),
      () => insert(tokens.generate(), uuidv7()),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(Unavailable);
    wire.heal();
  });

  it('purges expired tokens only', async () => {
    const [expired, valid] = [await issued(await someUser()), await issued(await someUser())];
    await server.query(`update tokens set expires_at = now() - interval '1 second' where hash = $1`, [
      createHash('sha256').update(expired.secret).digest(),
    ]);
    await tokens.purge();
    expect(await server.query('select from tokens')).toHaveLength(1);
    expect(await tokens.find(valid.secret, scope)).not.toBeNull();
  });

  it('deletes the tokens of a deleted user', async () => {
    const userId = await someUser();
    const { secret } = await issued(userId);
    await server.query('delete from users where id = $1', [userId]);
    expect(await tokens.find(secret, scope)).toBeNull();
  });
});
