import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ValidationPipe } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { ModulesContainer } from '@nestjs/core';
import fc from 'fast-check';
import { PROBLEMS } from '#errors';
import { type RunningApi, startApi } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';
import { scaled } from '../support/scale.js';
import { OPERATOR_TOKEN } from '../support/settings.js';
import { afterCoolDown, inboxMessages, signIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const BODIES = scaled(10_000);
const MOST_TRIES = 5;
const SEED = 4_226;

const CLIENT_SECRET = 'a secret of a client';
const CLIENT = {
  ...{ id: 'shop', name: 'The shop', purposes: ['introspect', 'sign_in', 'verify'] },
  secret_sha256: createHash('sha256').update(CLIENT_SECRET).digest('hex'),
  limits: { introspect: '1000000/1h', sends: '1000000/1h', checks: '1000000/1h' },
};
const CLIENT_CREDENTIALS = {
  authorization: `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT_SECRET}`).toString('base64')}`,
};

/** A request body and its content type. */
interface Body {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
}

const JSON_TYPE = 'application/json';
const encode = (text: string) => new Uint8Array(Buffer.from(text));
const asJson = (value: unknown): Body => ({
  bytes: encode(JSON.stringify(value) ?? ''),
  contentType: JSON_TYPE,
});

const digits = fc.constantFrom('0123456789', '０１２３４５６７８９', '٠١٢٣٤٥٦٧٨٩', '०१२३४५६७८९');
const national = fc.integer({ min: 2_000_000, max: 9_999_999 }).map(String);

/** A valid phone number in unusual notation, or a slightly invalid one. */
const oddNumber = fc
  .tuple(
    fc.constantFrom('+1', '1', '+1 ', '001', '＋1', 'tel:+1', '+', ''),
    national,
    digits,
    fc.constantFrom('', ' ', '-', '.', ' ext 5', '\u0000', '\u200b'),
  )
  .map(([prefix, subscriber, script, separator]) => {
    const plain = `415${separator}${subscriber}`;
    return prefix + plain.replace(/\d/g, (digit) => [...script][Number(digit)] as string);
  });

const oddText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '',
    ' ',
    '\u0000',
    'A\u0000',
    '\ud800',
    '\udfff',
    'x'.repeat(5_000),
    '__proto__',
    '123456',
    "'; drop table users; --",
  ),
  oddNumber,
);
const oddValue = fc.oneof(
  oddText,
  fc.constantFrom(null, true, 0, -1, 1e308),
  fc.array(oddText, { maxLength: 3 }),
  fc.object({ maxDepth: 2 }),
);

const members = [
  'phone_number',
  'name',
  'otp',
  'code',
  'channel',
  'locale',
  'device_token',
  'refresh_token',
  'audience',
  'version',
  'token',
  '__proto__',
  'constructor',
  'prototype',
  'a/b~c',
];

/** Almost valid JSON bodies: known and unknown members, some with odd values. */
const almostValid = fc
  .array(fc.tuple(fc.constantFrom(...members), fc.oneof({ weight: 2, arbitrary: oddNumber }, oddValue)), {
    maxLength: 5,
  })
  .map((entries) => {
    const inner = entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
    return { bytes: encode(`{${inner.join(',')}}`), contentType: JSON_TYPE };
  });

const body: fc.Arbitrary<Body> = fc.oneof(
  { weight: 5, arbitrary: almostValid },
  { weight: 2, arbitrary: fc.json().map((text) => ({ bytes: encode(text), contentType: JSON_TYPE })) },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 1, max: 3_000 })
      .map((depth) => ({ bytes: encode('['.repeat(depth)), contentType: JSON_TYPE })),
  },
  {
    weight: 1,
    arbitrary: fc
      .uint8Array({ maxLength: 200 })
      .map((raw) => ({ bytes: new Uint8Array(raw), contentType: JSON_TYPE })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        almostValid,
        fc.constantFrom(
          'text/plain',
          'application/x-www-form-urlencoded',
          'multipart/form-data',
          'application/json; charset=utf-16',
          'nonsense',
          'application/json;',
        ),
      )
      .map(([{ bytes }, contentType]) => ({ bytes, contentType })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 16_000, max: 17_000 }).map((size) => asJson({ name: 'x'.repeat(size) })),
  },
);

describe('Invalid input', () => {
  let api: RunningApi;
  let id: string;
  let bearer: Record<string, string>;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'latchkey-clients-'));
    writeFileSync(join(folder, 'clients.json'), JSON.stringify({ clients: [CLIENT] }));
    api = await startApi(POSTGRES_ALONE, {
      LIMIT_COOL_DOWN: '1h',
      CLIENTS_FILE: join(folder, 'clients.json'),
      OPERATOR_TOKEN,
    });
    bearer = { authorization: `Bearer ${await signIn(api)}` };
    id = (await api.client.post('/v1/verifications', { phone_number: someNumber() })).body.id;
  });
  afterAll(async () => {
    await api.stop();
    rmSync(folder, { recursive: true });
  });

  interface Route {
    readonly path: string;
    readonly good: number;
    readonly method?: string;
    readonly headers?: Record<string, string>;
  }

  const routes = (): Route[] => [
    { path: '/signup', good: 200 },
    { path: '/v1/verifications', good: 202 },
    { path: `/v1/verifications/${id}/resend`, good: 202 },
    { path: `/v1/verifications/${id}/check`, good: 200 },
    { path: '/v1/session/refresh', good: 200 },
    { path: '/v1/session/jwt', good: 200, headers: bearer },
    { path: '/v1/me', good: 200, method: 'PATCH', headers: bearer },
    { path: '/v1/me/phone_number', good: 202, headers: bearer },
    { path: '/v1/me/avatar', good: 200, method: 'PUT', headers: bearer },
    { path: '/oauth/introspect', good: 200, headers: CLIENT_CREDENTIALS },
    { path: '/v1/verifications', good: 202, headers: CLIENT_CREDENTIALS },
    { path: '/v2/Services/VA0/Verifications', good: 201, headers: CLIENT_CREDENTIALS },
    { path: '/v2/Services/VA0/VerificationCheck', good: 200, headers: CLIENT_CREDENTIALS },
  ];

  /** Describes an answer that is neither a success nor a documented problem of the client. */
  function faultOf({ status, body: answered }: Answer, good: number): string | null {
    if (status === good) return null;
    // The errors of OAuth and of Twilio name the problem by its page.
    const page = answered.error_uri ?? answered.more_info;
    const code = page?.split('/').at(-1) ?? answered.code;
    const problem = PROBLEMS[code as keyof typeof PROBLEMS];
    if (!problem || problem.status !== status || status >= 500)
      return `${status} ${JSON.stringify(answered)}`;
    return null;
  }

  async function send(
    { path, method = 'POST', headers }: Route,
    { bytes, contentType }: Body,
  ): Promise<Answer> {
    return api.client.send(method, path, bytes, { ...headers, 'content-type': contentType });
  }

  /** Repeats a request that was answered 503, as a client does. A busy machine answers so to a few of many. */
  async function sendPatiently(route: Route, each: Body): Promise<Answer> {
    let answer = await send(route, each);
    for (let tries = 1; answer.status === 503 && tries < MOST_TRIES; tries += 1)
      answer = await send(route, each);
    return answer;
  }

  it.each(times(13, (index) => index))(
    'gets a documented answer to each of many bodies (route %#)',
    async (index) => {
      const route = routes()[index] as Route;
      const bodies = fc.sample(body, { numRuns: BODIES, seed: SEED + index });
      const check = async (each: Body) => {
        const fault = faultOf(await sendPatiently(route, each), route.good);
        return (
          fault && `${fault} for ${each.contentType} ${Buffer.from(each.bytes).toString().slice(0, 300)}`
        );
      };
      const faults = await mapInFlight(bodies, check, BURST);
      expect(faults.filter(Boolean)).toEqual([]);
    },
    180_000,
  );

  const form = fc
    .dictionary(
      fc.constantFrom(
        'To',
        'Channel',
        'Code',
        'VerificationSid',
        'Locale',
        'AppHash',
        'DeviceIp',
        'Payee',
        'x',
      ),
      fc.oneof(
        fc.constantFrom(
          '+14155550100',
          'sms',
          'auto',
          '123456',
          `VE${'0'.repeat(32)}`,
          'en',
          '192.0.2.1',
          '',
        ),
        fc.string({ unit: 'binary', maxLength: 40 }),
      ),
    )
    .map((parameters) => new URLSearchParams(parameters).toString());

  it.each(['Verifications', 'VerificationCheck', `Verifications/VE${'0'.repeat(32)}`])(
    'gets an answer of Twilio to each of many forms for %s',
    async (name) => {
      const headers = { ...CLIENT_CREDENTIALS, 'content-type': 'application/x-www-form-urlencoded' };
      const check = async (each: string) => {
        const { status, body: answered } = await api.client.send(
          'POST',
          `/v2/Services/VA0/${name}`,
          each,
          headers,
        );
        const isKnown =
          [201, 400, 403, 404, 429].includes(status) && (status === 201 || answered.status === status);
        return isKnown || status === 503 ? null : `${status} ${JSON.stringify(answered)} for ${each}`;
      };
      const forms = fc.sample(form, { numRuns: BODIES, seed: SEED });
      expect((await mapInFlight(forms, check, BURST)).filter(Boolean)).toEqual([]);
    },
    180_000,
  );

  it('is looked for in every body whose parameter has a class', () => {
    const controllers = [...api.nest.get(ModulesContainer).values()].flatMap((module) => [
      ...module.controllers.values(),
    ]);
    const bodies = controllers.flatMap(({ metatype }) =>
      Object.getOwnPropertyNames(metatype?.prototype ?? {}).flatMap((method) => {
        const parameters: Record<string, { index: number; pipes: unknown[] }> =
          Reflect.getMetadata(ROUTE_ARGS_METADATA, metatype as object, method) ?? {};
        const types = Reflect.getMetadata('design:paramtypes', metatype?.prototype, method);
        return Object.entries(parameters)
          .filter(([key, { index }]) => key.startsWith(`${RouteParamtypes.BODY}:`) && types[index] !== Object)
          .map(([, { pipes }]) => ({ method, pipes }));
      }),
    );
    expect(bodies).toHaveLength(10);
    for (const { method, pipes } of bodies)
      expect([method, pipes]).toEqual([method, [expect.any(ValidationPipe)]]);
  });

  it('creates no other users and leaves sign-ins working', async () => {
    expect(await api.database.query('select from users')).toHaveLength(1);
    const phone_number = someNumber();
    await api.client.post('/signup', { phone_number });
    const { status } = await api.client.post('/signup', {
      phone_number,
      otp: await api.codeFor(phone_number),
    });
    expect(status).toBe(200);
  });

  it.each([
    [
      'JSON nested 8,000 deep',
      `{"phone_number":${'['.repeat(8_000)}1${']'.repeat(8_000)}}`,
      'application/json',
      400,
    ],
    ['a member "constructor"', '{"phone_number":"+14155550100","constructor":1}', 'application/json', 400],
    ['a member "prototype"', '{"phone_number":"+14155550100","prototype":1}', 'application/json', 400],
    ['JSON labelled UTF-16', '{}', 'application/json; charset=utf-16', 415],
    ['JSON labelled utf8', '{}', 'application/json; charset=utf8', 400],
  ])('is rejected: %s', async (_, text, contentType, expected) => {
    const route = { path: '/signup', good: 200 };
    const { status } = await send(route, { bytes: encode(text), contentType });
    expect(status).toBe(expected);
  });

  it('is rejected when it is compressed', async () => {
    const headers = { 'content-type': JSON_TYPE, 'content-encoding': 'gzip' };
    expect((await api.client.send('POST', '/signup', '{}', headers)).status).toBe(415);
  });

  it('is rejected as a number, while eleven notations of one number share an account', async () => {
    const quick = await startApi(POSTGRES_ALONE, { LIMIT_COOL_DOWN: '1s', DEFAULT_REGION: 'US' });
    const spellings = [
      ...['+14155552671', '+1 415 555 2671', '+1 (415) 555-2671', '(415) 555-2671', '415.555.2671'],
      ...[
        '1-415-555-2671',
        '＋１４１５５５５２６７１',
        '+١٤١٥٥٥٥٢٦٧١',
        ' +14155552671 ',
        '\u202a+14155552671\u202c',
        '+1415555 2671',
      ],
    ];
    const users = new Set<string>();
    let sent = 0;
    for (const phone_number of spellings) {
      await afterCoolDown(() => quick.client.post('/signup', { phone_number }));
      sent += 1;
      const [newest] = await waitFor('the message', async () => {
        const messages = await inboxMessages(quick.client, '+14155552671');
        return messages.length === sent && messages;
      });
      const { status, body } = await quick.client.post('/signup', { phone_number, otp: newest.code });
      expect(status).toBe(200);
      users.add(body.data.id);
    }
    const noNumbers = [
      '+1415555267',
      '+141555526711',
      '+14155552671 ext 5',
      '+1-800-FLOWERS',
      '+999123456789',
      '14155552671x',
      '++14155552671',
      '+1415\u00005552671',
    ];
    const answers = await Promise.all(
      noNumbers.map((phone_number) => quick.client.post('/signup', { phone_number })),
    );
    const rows = await quick.database.query('select from users');
    await quick.stop();
    expect(users.size).toBe(1);
    expect(rows).toHaveLength(1);
    expect(answers.map(({ status }) => status)).toEqual(noNumbers.map(() => 400));
  }, 60_000);
});
