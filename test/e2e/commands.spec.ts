import { type RunningApi, startApi } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { mainlyOn } from '../support/databases.js';
import { ServerProcess } from '../support/server-process.js';
import { SECRET } from '../support/settings.js';
import { openVerification } from '../support/verifications.js';

const UNKNOWN = '0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a';

describe.each(mainlyOn('redis'))('Commands about accounts on $name, beside a running server', (mode) => {
  let api: RunningApi;

  beforeAll(async () => {
    api = await startApi(mode);
  });
  afterAll(() => api.stop());

  async function signIn(): Promise<Answer['body'] & { phone_number: string }> {
    const { path, code, phone_number } = await openVerification(api, { name: 'Ada' });
    return { ...(await api.client.post(`${path}/check`, { code })).body, phone_number };
  }

  /** Runs a command, and returns its exit code and its output without the line that names the database. */
  async function latchkey(...args: string[]): Promise<{ code: number | null; output: string }> {
    const { redisUrl } = api.config;
    const stores = { DATABASE_URL: api.database.url, ...(redisUrl && { REDIS_URL: redisUrl }) };
    const command = ServerProcess.spawn('cli', { ...stores, SECRET, LOG_LEVEL: 'silent' }, args);
    const { code, output } = await command.ended();
    return { code, output: output.replace(/^database: .*\n/, '') };
  }

  const statusOf = async (token: string) => (await api.client.as(token).get('/protected')).status;

  it('show a user by its id and by its number', async () => {
    const { user, phone_number } = await signIn();
    for (const name of [user.id, phone_number]) {
      const { code, output } = await latchkey('users', 'show', name, '--json');
      expect(code).toBe(0);
      expect(JSON.parse(output)).toMatchObject({ id: user.id, phone_number, name: 'Ada' });
    }
    expect((await latchkey('users', 'show', user.id)).output).toContain(`id            ${user.id}\n`);
  });

  it('end one session, and all sessions of a user', async () => {
    const [one, other] = [await signIn(), await signIn()];
    expect([await statusOf(one.token), await statusOf(other.token)]).toEqual([200, 200]);
    expect(await latchkey('sessions', 'end', one.session_id)).toEqual({
      code: 0,
      output: `ended ${one.session_id}\n`,
    });
    expect([await statusOf(one.token), await statusOf(other.token)]).toEqual([401, 200]);
    expect((await latchkey('sessions', 'end-all', other.phone_number)).code).toBe(0);
    expect(await statusOf(other.token)).toBe(401);
    const { output } = await latchkey('sessions', 'list', other.user.id);
    expect(output).toMatch(new RegExp(`^${other.session_id}  created .* ended .* \\(ended_by_operator\\)`));
  });

  it('export and delete a user', async () => {
    const { user, phone_number, token } = await signIn();
    const { output } = await latchkey('users', 'export', phone_number);
    const { body } = await api.client.as(token).get('/v1/me/export');
    expect(Object.keys(body).sort()).toEqual(Object.keys(JSON.parse(output)).sort());
    expect(JSON.parse(output)).toMatchObject({
      user: body.user,
      sessions: body.sessions,
      events: body.events,
    });
    expect((await latchkey('users', 'delete', phone_number)).code).toBe(2);
    expect(await statusOf(token)).toBe(200);
    expect(await latchkey('users', 'delete', phone_number, '--yes')).toEqual({
      code: 0,
      output: `deleted ${user.id}\n`,
    });
    expect(await statusOf(token)).toBe(401);
    expect((await latchkey('users', 'show', user.id)).code).toBe(1);
  });

  it('print events', async () => {
    const { user, session_id, phone_number } = await signIn();
    await latchkey('sessions', 'end', session_id);
    const { code, output } = await latchkey('events', '--user', phone_number);
    expect(code).toBe(0);
    expect(output.split('\n').map((line) => line.split(/ {2,}/)[1])).toEqual([
      'session_ended',
      'signed_in',
      undefined,
    ]);
    expect(output).toContain('reason=ended_by_operator');
    expect(output).not.toContain(phone_number);
    const { output: json } = await latchkey('events', '--user', user.id, '--kind', 'signed_in', '--json');
    expect(JSON.parse(json)).toMatchObject([{ kind: 'signed_in', session_id }]);
  });

  it('rotate the keys of signed tokens', async () => {
    const keys = () => api.database.query('select kid from signing_keys');
    const { code, output } = await latchkey('keys', 'rotate');
    expect([code, output]).toEqual([0, expect.stringMatching(/^created [\w-]{43}\n$/)]);
    await latchkey('keys', 'rotate');
    expect(await keys()).toHaveLength(2);
  });

  it.each([
    [['users', 'show', UNKNOWN], 1, 'no such user'],
    [['users', 'show', '+14155550199'], 1, 'no such user'],
    [['sessions', 'end', UNKNOWN], 1, 'no such session'],
    [['sessions', 'end', 'x'], 2, 'expected the id of a session'],
    [['users', 'show', 'x'], 2, 'expected the id of a user or a phone number'],
  ])('fail without a trace: %j', async (args, code, message) => {
    const ended = await latchkey(...args);
    expect(ended.code).toBe(code);
    expect(ended.output).toContain(message);
    expect(ended.output).not.toMatch(/^\s+at /m);
  });
});
