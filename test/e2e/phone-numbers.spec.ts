import { Keys } from '#keys';
import { type RunningApi, startApi } from '../support/api.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { inboxMessages } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

/** Each form of a number counts as a request for the same number, so the default cool-down shows that it is one. */
describe('A phone number', () => {
  let mexico: RunningApi;
  let states: RunningApi;

  beforeAll(async () => {
    mexico = await startApi(POSTGRES_ALONE, { DEFAULT_REGION: 'MX', FALLBACK: 'sms>call' });
    states = await startApi(POSTGRES_ALONE, {
      DEFAULT_REGION: 'US',
      ALLOWED_COUNTRIES: 'US, +870',
      NEW_NUMBER_RANGES: '+1290',
      DEFAULT_LOCALE: 'en',
      LOCALES: 'en,fr',
      LIMIT_COOL_DOWN: '1s',
    });
  });
  afterAll(() => Promise.all([mexico.stop(), states.stop()]));

  async function signIn({ client, codeFor }: RunningApi, phone_number: string, canonical: string) {
    const opened = await client.post('/v1/verifications', { phone_number });
    expect([opened.status, opened.body.phone_number]).toEqual([202, canonical]);
    const code = await codeFor(canonical);
    return (await client.post(`/v1/verifications/${opened.body.id}/check`, { code })).body;
  }

  it.each([
    '+52 1 55 1234 5678',
    '044 55 1234 5678',
    '045 55 1234 5678',
    '01 55 1234 5678',
    '521 55 1234 5678',
    '55 1234 5678',
  ])('written as %s shares its limits with every other form', async (phone_number) => {
    await mexico.client.post('/v1/verifications', { phone_number: '+525512345678' });
    const { status, body } = await mexico.client.post('/v1/verifications', { phone_number });
    expect([status, body.limit]).toEqual([429, 'cool_down']);
  });

  it('of an account that was made with an earlier form signs in to that account', async () => {
    const keys = mexico.nest.get(Keys, { strict: false });
    const earlier = '+5215587654321';
    await mexico.database.query('insert into users (id, phone_index, phone_sealed) values ($1, $2, $3)', [
      '0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e',
      keys.phoneIndexOf(earlier),
      keys.seal(earlier),
    ]);

    const session = await signIn(mexico, '55 8765 4321', '+525587654321');

    expect(session).toMatchObject({
      is_new_user: false,
      user: { id: '0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e', phone_number: '+525587654321', version: 2 },
    });
  });

  it('with an area code that the library does not know has one account', async () => {
    const first = await signIn(states, '+1 621 234 5678', '+16212345678');
    const { status } = await waitFor('the end of the cool-down', async () => {
      const answer = await states.client.post('/signup', { phone_number: '(621) 234-5678' });
      return answer.status !== 429 && answer;
    });
    expect(status).toBe(200);
    const [message] = await waitFor('the second message', async () => {
      const messages = await inboxMessages(states.client, '+16212345678');
      return messages.length === 2 && messages;
    });
    const again = { phone_number: '621-234-5678', otp: message.code };
    expect((await states.client.post('/signup', again)).body.data.id).toBe(first.user.id);
  });

  it('of a landline is called, and gets no text', async () => {
    const phone_number = '+442079460958';
    const open = (members = {}) => mexico.client.post('/v1/verifications', { phone_number, ...members });
    expect((await open({ channel: 'sms' })).status).toBe(422);
    expect((await open({ channel: 'whatsapp' })).status).toBe(422);
    const { status, body } = await open();
    expect([status, body.channel]).toEqual([202, 'call']);
    const [call] = await waitFor('the call', async () => {
      const messages = await inboxMessages(mexico.client, phone_number);
      return messages.length === 1 && messages;
    });
    expect(call.channel).toBe('call');
  });

  it.each([
    ['a satellite phone', '+870301234567'],
    ['a satellite phone', '+881612345678'],
    ['a satellite phone', '+881812345678'],
    ['an international network', '+88216123456'],
    ['an international network', '+883510012345'],
    ['a premium line', '+449098790123'],
    ['a premium line', '+979123456789'],
    ['a toll-free line', '+18005550123'],
  ])('of %s, %s, is refused on every channel', async (_, phone_number) => {
    for (const channel of ['sms', 'whatsapp', 'call', undefined]) {
      const { status, body } = await mexico.client.post('/v1/verifications', { phone_number, channel });
      expect([status, body.code]).toEqual([422, 'phone_number_not_allowed']);
    }
  });

  it.each([
    ['+870301234567', 202],
    ['+881612345678', 422],
    ['+525512345679', 422],
    ['+12902345678', 202],
    ['+12912345678', 400],
  ])('%s is answered by the allowed countries and ranges with %d', async (phone_number, status) => {
    expect((await states.client.post('/v1/verifications', { phone_number })).status).toBe(status);
  });

  it('gets a text in the language of the request, else in the default language', async () => {
    const textTo = async (phone_number: string, members = {}, headers = {}) => {
      expect((await states.client.post('/signup', { phone_number, ...members }, headers)).status).toBe(200);
      const [{ body }] = await waitFor('the message', () =>
        inboxMessages(states.client, phone_number).then((all) => all.length > 0 && all),
      );
      return body;
    };
    expect(await textTo('+14155550101')).toContain('is your');
    expect(await textTo('+14155550102', { locale: 'fr' })).toContain('votre code');
    expect(await textTo('+14155550103', {}, { 'accept-language': 'de' })).toContain('is your');
    expect(await textTo('+14155550104', {}, { 'accept-language': 'de, fr' })).toContain('votre code');
  });

  it('gets the repeated text in the language of the newest request', async () => {
    const phone_number = '+14155550105';
    await states.client.post('/signup', { phone_number });
    await states.codeFor(phone_number);
    const ask = () => states.client.post('/signup', { phone_number, locale: 'fr' });
    await waitFor('the end of the cool-down', async () => (await ask()).status === 200);
    const [newest] = await waitFor('the second message', async () => {
      const messages = await inboxMessages(states.client, phone_number);
      return messages.length === 2 && messages;
    });
    expect(newest.body).toContain('votre code');
  });
});
