import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigurationError } from '#config';
import { type RunningApi, startApi } from '../support/api.js';
import { freshDatabase, POSTGRES_ALONE } from '../support/databases.js';
import { FakeTwilio } from '../support/fake-twilio.js';
import { ServerProcess } from '../support/server-process.js';
import { CALL, SECRET, throughTwilio, WHATSAPP } from '../support/settings.js';
import { codeIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const EXAMPLE = resolve(import.meta.dirname, '../../docs/messages.example.json');

/** A text with all that a server could change: signs of ICU and of HTML, white space, and the end of a line. */
const REGISTERED = "<#> Dear <user>,  {code} is the OTP to sign in to Example's app & site.\r\n-EXAMPL ";

const folder = mkdtempSync(join(tmpdir(), 'latchkey-texts-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(content: object): string {
  const file = join(folder, 'messages.json');
  writeFileSync(file, JSON.stringify(content));
  return file;
}

describe('Texts of MESSAGES_FILE, sent through Twilio', () => {
  let api: RunningApi;
  let twilio: FakeTwilio;

  beforeAll(async () => {
    twilio = await FakeTwilio.start();
    const MESSAGES_FILE = fileOf({
      locales: {
        en: { sms: '{code} opens {brand}.', number_changed: '{brand}: another number now.' },
        nl: { sms: 'Uw code is {code}.', call: 'Uw code is {code}.' },
      },
      countries: { IN: { en: { sms: REGISTERED } } },
    });
    api = await startApi(POSTGRES_ALONE, {
      ...{ ...throughTwilio(twilio), ...WHATSAPP, ...CALL, MESSAGES_FILE },
      ...{ SMS_ORIGIN: 'login.example.com', SMS_APP_HASHES: 'FA+9qCX9VSu', BRAND: 'Example' },
    });
  });
  afterAll(async () => {
    await twilio.stop();
    await api.stop();
  });

  /** Requests a code and returns the message that Twilio has. */
  async function messageTo(phone_number: string, more: object = {}, language = 'de') {
    const headers = { 'accept-language': language };
    const { status, body } = await api.client.post('/v1/verifications', { phone_number, ...more }, headers);
    expect(status).toBe(202);
    const message = await waitFor('the message', () => twilio.messagesTo(phone_number)[0]);
    return { message, id: body.id as string };
  }

  it.each([
    ['+919876500001', {}],
    ['+919876500002', { locale: 'hi' }],
    ['+919876500003', { app_hash: 'FA+9qCX9VSu' }],
  ])('arrive byte for byte at a number of their country (%s, %j)', async (number, more) => {
    const { message, id } = await messageTo(number, more);
    const code = codeIn(message) as string;
    expect(Buffer.from(message.body)).toEqual(Buffer.from(REGISTERED.replace('{code}', code)));
    expect((await api.client.post(`/v1/verifications/${id}/check`, { code })).status).toBe(200);
  });

  it('replace the built-in text of a language, and end with the autofill line', async () => {
    const { message } = await messageTo('+14155550171', {}, 'en');
    expect(message.body).toMatch(/^(\d{6}) opens Example\.\n@login\.example\.com #\1$/);
    const { message: german } = await messageTo('+14155550172');
    expect(german.body).toMatch(/ ist Ihr Code für Example, /);
  });

  it('add a language, for its country too, and speak it in calls', async () => {
    for (const [number, language] of [
      ['+14155550173', 'nl-BE'],
      ['+31612345671', 'sv'],
    ] as const)
      expect((await messageTo(number, {}, language)).message.body).toMatch(/^Uw code is \d{6}\.\n@/);
    const { message } = await messageTo('+31612345672', { channel: 'call' }, 'nl');
    expect(message.twiml).toMatch(/<Say language="nl-NL">Uw code is \d, /);
  });

  it('write the notice of a changed number', async () => {
    const number = '+14155550174';
    const { message, id } = await messageTo(number, {}, 'en');
    const code = codeIn(message);
    const { token } = (await api.client.post(`/v1/verifications/${id}/check`, { code })).body;
    const user = api.client.as(token);
    const changed = '+14155550175';
    const { body } = await user.post('/v1/me/phone_number', { phone_number: changed });
    const sent = await waitFor('the code', () => twilio.messagesTo(changed)[0]);
    await user.post(`/v1/verifications/${body.id}/check`, { code: codeIn(sent) });
    const notice = await waitFor('the notice', () => twilio.messagesTo(number)[1]);
    expect(notice.body).toBe('Example: another number now.');
  });
});

describe('A server with a MESSAGES_FILE', () => {
  it.each([
    ['an unknown member', { locales: { en: { mms: '{code}' } } }, 'locales.en has the unknown member "mms"'],
    [
      'a text without the code',
      { locales: { en: { sms: 'Hello' } } },
      'locales.en.sms does not contain the code',
    ],
    [
      'a text of two segments',
      { countries: { IN: { en: { sms: `{code} ${'x'.repeat(160)}` } } } },
      'countries.IN.en.sms takes 2 segments',
    ],
  ])('does not start with %s', async (_, content, fault) => {
    const start = startApi(POSTGRES_ALONE, { MESSAGES_FILE: fileOf(content) });
    await expect(start).rejects.toThrow(ConfigurationError);
    await expect(start).rejects.toThrow(`MESSAGES_FILE: ${fault}`);
  });

  it('exits with 78 when a text has a fault', async () => {
    const database = await freshDatabase();
    const variables = { DATABASE_URL: database.url, SECRET };
    const MESSAGES_FILE = fileOf({ locales: { en: { sms: 'Hello' } } });
    const { code, output } = await ServerProcess.spawn('api', { ...variables, MESSAGES_FILE }).ended();
    await database.drop();
    expect(code).toBe(78);
    expect(output).toContain('locales.en.sms does not contain the code');
  });
});

describe('latchkey messages lint', () => {
  const lint = (variables: Record<string, string>) =>
    ServerProcess.spawn('cli', { LOG_LEVEL: 'silent', ...variables }, ['messages', 'lint']).ended();

  it('prints the texts of the file, and those that they do not replace', async () => {
    const { code, output } = await lint({ MESSAGES_FILE: EXAMPLE, BRAND: 'Example' });
    expect(code).toBe(0);
    expect(output).toContain(
      '\nnl\n  sms, your own, code of 6, GSM-7, 72/160, 1 segment\n    739145 is je code voor',
    );
    expect(output).toContain('\nen, to numbers of IN\n  sms, your own, code of 6');
    expect(output).toContain('  number_changed, your own, GSM-7, ');
    expect(output).toMatch(/\n\n0 faults in \d+ messages\n$/);
  });

  it('reports a fault of the file, and exits with 78 when it cannot be read', async () => {
    const faulty = await lint({ MESSAGES_FILE: fileOf({ locales: { en: { sms: 'Hello' } } }) });
    expect([faulty.code, faulty.output]).toEqual([1, expect.stringContaining('✗ does not contain the code')]);
    const missing = await lint({ MESSAGES_FILE: join(folder, 'missing.json') });
    expect([missing.code, missing.output]).toEqual([
      78,
      expect.stringContaining('MESSAGES_FILE: the file cannot be read: ENOENT'),
    ]);
  });
});
