import { Database } from '#postgres';
import { type NewUser, UsersRepository } from '#users';
import { type RunningApi, startApi } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';
import { scaled } from '../support/scale.js';
import { inboxMessages, signIn, wrongCode } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

/** Requests for each kind of question, half of them about numbers with an account. */
const REQUESTS = scaled(1_000);
/** Each verification takes five codes. */
const CHECKS = Math.ceil(REQUESTS / 4);

const TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;

/**
 * Returns an answer as text, with the values that differ between any two requests replaced: ids, times, the requested number,
 * and the headers that derive from them.
 */
function comparable({ status, headers, body }: Answer, number: string): string {
  const { id = 'id', instance = 'instance' } = body;
  const kept = [...headers].filter(([name]) => !['date', 'keep-alive', 'connection'].includes(name));
  const text = JSON.stringify([status, kept, body]);
  return [
    [id, 'id'],
    [instance, 'instance'],
    [headers.get('x-request-id') as string, 'request'],
    [headers.get('etag') ?? 'none', 'tag'],
    [number, 'number'],
  ]
    .reduce(
      (rest, [value, name]) => rest.replaceAll(JSON.stringify(value).slice(1, -1), name as string),
      text,
    )
    .replace(/latchkey_signup=[\w-]{43}/, 'cookie')
    .replace(TIME, 'time');
}

describe.each(modes)('a client that asks who has an account, on $name', (mode) => {
  let api: RunningApi;

  beforeAll(async () => {
    api = await startApi(mode);
  });
  afterAll(() => api.stop());

  /** Stores users without their sign-ins, and returns their numbers and as many others, in turns. */
  async function numbers(count: number): Promise<{ number: string; isKnown: boolean }[]> {
    const users = api.nest.get(UsersRepository, { strict: false });
    const database = api.nest.get(Database, { strict: false });
    const all = times(count, (i) => ({ number: someNumber(), isKnown: i % 2 === 0 }));
    const drafts = all
      .filter(({ isKnown }) => isKnown)
      .map(({ number }) => users.draft(number as Parameters<typeof users.draft>[0], null));
    const columns = (name: keyof NewUser) => drafts.map((draft) => draft[name]);
    await database.run(
      {
        name: 'users-of-spec',
        text: `insert into users (id, phone_index, phone_sealed)
               select * from unnest($1::uuid[], $2::text[], $3::text[])`,
      },
      [columns('id'), columns('phoneIndex'), columns('phoneSealed')],
    );
    return all;
  }

  const different = (answers: readonly string[]) => [...new Set(answers)];

  it.each(['/v1/verifications', '/signup', '/v1/me/phone_number'])(
    'gets the same bytes from %s for every number',
    async (path) => {
      const client = api.client.as(await signIn(api));
      const answers = await mapInFlight(
        await numbers(REQUESTS),
        async ({ number }) => {
          const asker = path === '/signup' ? api.client : client;
          return comparable(await asker.post(path, { phone_number: number }), number);
        },
        BURST,
      );
      expect(different(answers)).toHaveLength(1);
      expect(answers[0]).toMatch(/^\[20[02],/);
    },
    120_000,
  );

  it('gets the same bytes for the right code of a number with an account as for a wrong code', async () => {
    const client = api.client.as(await signIn(api));
    const opened = await mapInFlight(
      await numbers(CHECKS),
      async ({ number, isKnown }) => {
        const { body } = await client.post('/v1/me/phone_number', { phone_number: number });
        const code: string = await waitFor('the code', async () => {
          return (await inboxMessages(api.client, number))[0]?.code;
        });
        return { number, path: `/v1/verifications/${body.id}/check`, code: isKnown ? code : wrongCode(code) };
      },
      BURST,
    );
    for (const attemptsLeft of [4, 3, 2, 1]) {
      const answers = await mapInFlight(
        opened,
        async ({ number, path, code }) => comparable(await client.post(path, { code }), number),
        BURST,
      );
      expect(different(answers)).toHaveLength(1);
      expect(answers[0]).toMatch(new RegExp(`^\\[401,.*"attempts_left":${attemptsLeft}[,}]`));
    }
  }, 120_000);
});
