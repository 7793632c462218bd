import fc from 'fast-check';
import { PROBLEMS } from '#errors';
import { type RunningApi, someNumber, startApi } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { waitFor } from '../support/wait.js';

const BODIES = 10_000;
const AT_ONCE = 32;
const SEED = 4_226;

/** Bytes and the label they come with. */
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

/** One of our own numbers, written in one of many ways. */
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
  '__proto__',
  'constructor',
  'a/b~c',
];

/** Nearly what a route wants: some of its members, of which some are odd, and some of nobody's. */
const nearly = fc
  .array(fc.tuple(fc.constantFrom(...members), fc.oneof({ weight: 2, arbitrary: oddNumber }, oddValue)), {
    maxLength: 5,
  })
  .map((entries) => {
    const inner = entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
    return { bytes: encode(`{${inner.join(',')}}`), contentType: JSON_TYPE };
  });

const body: fc.Arbitrary<Body> = fc.oneof(
  { weight: 5, arbitrary: nearly },
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
        nearly,
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

describe('Whatever is thrown at a route', () => {
  let api: RunningApi;
  let id: string;

  beforeAll(async () => {
    api = await startApi({ name: 'Postgres alone', redis: false }, { LIMIT_COOL_DOWN: '1h' });
    id = (await api.client.post('/v1/verifications', { phone_number: someNumber() })).body.id;
  });
  afterAll(() => api.stop());

  const routes = (): [string, number[]][] => [
    ['/signup', [200]],
    ['/v1/verifications', [202]],
    [`/v1/verifications/${id}/resend`, [202]],
    [`/v1/verifications/${id}/check`, [200]],
  ];

  function fault({ status, body: said }: Answer, good: number[]): string | null {
    if (good.includes(status)) return null;
    const problem = PROBLEMS[said.code as keyof typeof PROBLEMS];
    if (!problem || problem.status !== status || status >= 500) return `${status} ${JSON.stringify(said)}`;
    return null;
  }

  async function send(path: string, { bytes, contentType }: Body): Promise<Answer> {
    return api.client.send('POST', path, bytes, { 'content-type': contentType });
  }

  it.each([0, 1, 2, 3])(
    'is answered by what the contract says, 10,000 times (route %#)',
    async (index) => {
      const [path, good] = routes()[index] as [string, number[]];
      const bodies = fc.sample(body, { numRuns: BODIES, seed: SEED + index });
      const faults: string[] = [];
      const next = bodies.values();
      const client = async () => {
        for (const each of next) {
          const found = fault(await send(path, each), good);
          if (found)
            faults.push(
              `${found} for ${each.contentType} ${Buffer.from(each.bytes).toString().slice(0, 300)}`,
            );
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, client));
      expect(faults).toEqual([]);
    },
    180_000,
  );

  it('makes no user that nobody proved to be, and leaves the server able to sign people in', async () => {
    expect(await api.database.query('select from users')).toHaveLength(0);
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
      'nested 8,000 deep',
      `{"phone_number":${'['.repeat(8_000)}1${']'.repeat(8_000)}}`,
      'application/json',
      400,
    ],
    ['a member "constructor"', '{"phone_number":"+14155550100","constructor":1}', 'application/json', 400],
    ['JSON labelled UTF-16', '{}', 'application/json; charset=utf-16', 415],
    ['JSON labelled utf8', '{}', 'application/json; charset=utf8', 400],
  ])('is told what is wrong: %s', async (_, text, contentType, expected) => {
    const { status } = await send('/signup', { bytes: encode(text), contentType });
    expect(status).toBe(expected);
  });

  it('is not unpacked', async () => {
    const headers = { 'content-type': JSON_TYPE, 'content-encoding': 'gzip' };
    expect((await api.client.send('POST', '/signup', '{}', headers)).status).toBe(415);
  });

  it('finds one account behind ten spellings of a number, and none behind what is no number', async () => {
    const quick = await startApi(
      { name: 'Postgres alone', redis: false },
      { LIMIT_COOL_DOWN: '1s', DEFAULT_REGION: 'US' },
    );
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
    for (const phone_number of spellings) {
      await waitFor('the end of the cool-down', async () => {
        const { status } = await quick.client.post('/signup', { phone_number });
        return status === 200;
      });
      const { body: signedUp } = await waitFor('the sign-up', async () => {
        const answer = await quick.client.post('/signup', {
          phone_number,
          otp: await quick.codeFor('+14155552671'),
        });
        return answer.status === 200 && answer;
      });
      users.add(signedUp.data.id);
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
