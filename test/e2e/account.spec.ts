import { type RunningApi, startApi, startReplica } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';
import { signIn } from '../support/verifications.js';

describe.each(modes)('GET and PATCH /v1/me on $name, with two servers', (mode) => {
  let api: RunningApi;
  let replica: RunningApi;
  let token: string;

  beforeAll(async () => {
    api = await startApi(mode);
    replica = await startReplica(api);
  });
  beforeEach(async () => {
    token = await signIn(api);
  });
  afterAll(async () => {
    await replica.stop();
    await api.stop();
  });

  const me = (server = api) => server.client.as(token).get('/v1/me');
  const change = (body: object, headers = {}, server = api): Promise<Answer> =>
    server.client.as(token).send('PATCH', '/v1/me', JSON.stringify(body), {
      'content-type': 'application/json',
      ...headers,
    });

  it('returns the user, with the version as entity tag', async () => {
    const { status, body, headers } = await me();
    expect([status, headers.get('etag')]).toEqual([200, '"1"']);
    expect(body).toEqual((await api.client.as(token).get('/protected')).body.user);
  });

  it('changes name and language in every process, and nothing else', async () => {
    const [{ body: before }] = [await me(), await me(replica)];
    const { status, body, headers } = await change({ name: 'Ada', locale: 'fr' });
    expect([status, headers.get('etag')]).toEqual([200, '"2"']);
    expect(body).toEqual({ ...before, name: 'Ada', locale: 'fr', version: 2 });
    expect([(await me()).body, (await me(replica)).body]).toEqual([body, body]);
    expect((await change({ locale: 'en' }, {}, replica)).body).toEqual({ ...body, locale: 'en', version: 3 });
    expect((await change({ name: null })).body).toMatchObject({ name: 'Ada', locale: 'en' });
  });

  it.each<[string, (version: number) => Promise<Answer>]>([
    ['version', (version) => change({ name: 'Ada', version })],
    ['If-Match', (version) => change({ name: 'Ada' }, { 'if-match': `"${version}"` })],
  ])('refuses a change that is based on another %s', async (_, changeFrom) => {
    expect((await changeFrom(1)).status).toBe(200);
    for (const version of [1, 3]) {
      const { status, body } = await changeFrom(version);
      expect([status, body.code]).toEqual([409, 'version_conflict']);
    }
    expect((await changeFrom(2)).body.version).toBe(3);
    expect((await change({ name: 'Eve' }, { 'if-match': '*' })).body.version).toBe(4);
  });

  it('lets one of many concurrent changes of a version succeed', async () => {
    const answers = await mapInFlight(
      times(40, (i) => `Name ${i}`),
      (name, i) => change({ name, version: 1 }, {}, i % 2 ? api : replica),
      BURST,
    );
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([200, ...times(39, () => 409)]);
    const winner = answers.find(({ status }) => status === 200)?.body;
    expect([(await me()).body, (await me(replica)).body]).toEqual([winner, winner]);
  });

  it.each([
    { name: '' },
    { name: 'www.example.com' },
    { locale: 'x' },
    { version: '1' },
    { version: 0 },
    { phone_number: '+14155550100' },
  ])('rejects %j', async (body) => {
    expect((await change(body)).body.code).toBe('invalid_request');
    expect((await change({ name: 'Ada' }, { 'if-match': 'x' })).body.code).toBe('invalid_request');
    expect((await me()).body.version).toBe(1);
  });
});
