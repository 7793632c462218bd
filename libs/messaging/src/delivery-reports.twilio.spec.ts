import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { callbackUrlFor, callbackUrlOf, ReportForged, TwilioReports } from './delivery-reports.twilio.js';
import type { DeliveryReport, Failure } from './message-sender.js';

const ACCOUNT = `AC${'0'.repeat(32)}`;
const TOKEN = '5'.repeat(32);
const REPLACING = '7'.repeat(32);
const CALLBACK = 'https://id.example.test/v1/webhooks/twilio';
const URL_OF_MESSAGE = `${CALLBACK}?message=ver_1.2`;
const MESSAGE_SID = `SM${'1'.repeat(32)}`;
const CALL_SID = `CA${'1'.repeat(32)}`;

const DELIVERED = {
  AccountSid: ACCOUNT,
  ApiVersion: '2010-04-01',
  From: '+15005550006',
  MessageSid: MESSAGE_SID,
  MessageStatus: 'delivered',
  SmsSid: MESSAGE_SID,
  SmsStatus: 'delivered',
  To: '+14155550123',
};

describe('TwilioReports', () => {
  const reports = new TwilioReports({ accountSid: ACCOUNT, signingTokens: [TOKEN, REPLACING] }, CALLBACK);

  it.each<[said: string, status: DeliveryReport['status'], failure: Failure | undefined]>([
    ['accepted', 'accepted', undefined],
    ['scheduled', 'accepted', undefined],
    ['queued', 'accepted', undefined],
    ['sending', 'accepted', undefined],
    ['sent', 'sent', undefined],
    ['delivered', 'delivered', undefined],
    ['read', 'delivered', undefined],
    ['undelivered', 'undelivered', { code: 'undelivered', reason: 'unreachable', cure: 'another_route' }],
    ['failed', 'failed', { code: 'failed', reason: 'provider', cure: 'another_route' }],
    ['canceled', 'failed', { code: 'failed', reason: 'provider', cure: 'another_route' }],
  ])('a message that is "%s" is %s', (MessageStatus, status, failure) => {
    const report = read({ ...DELIVERED, MessageStatus });

    expect(report).toEqual({ reference: 'ver_1.2', providerId: MESSAGE_SID, status, failure });
  });

  it.each<[said: string, status: DeliveryReport['status'], failure: Failure | undefined]>([
    ['queued', 'accepted', undefined],
    ['initiated', 'accepted', undefined],
    ['ringing', 'accepted', undefined],
    ['in-progress', 'delivered', undefined],
    ['answered', 'delivered', undefined],
    ['completed', 'delivered', undefined],
    ['busy', 'undelivered', { code: 'busy', reason: 'unreachable', cure: 'another_channel' }],
    ['no-answer', 'undelivered', { code: 'no-answer', reason: 'unreachable', cure: 'another_channel' }],
    ['canceled', 'undelivered', { code: 'canceled', reason: 'unreachable', cure: 'another_channel' }],
    ['failed', 'failed', { code: 'failed', reason: 'unreachable', cure: 'another_channel' }],
  ])('a call that is "%s" is %s', (CallStatus, status, failure) => {
    const report = read({ AccountSid: ACCOUNT, CallSid: CALL_SID, CallStatus });

    expect(report).toEqual({ reference: 'ver_1.2', providerId: CALL_SID, status, failure });
  });

  it.each<[what: string, form: Record<string, string>]>([
    ['a message', { ...DELIVERED, MessageStatus: 'undelivered', ErrorCode: '30005' }],
    ['a call', { AccountSid: ACCOUNT, CallSid: CALL_SID, CallStatus: 'failed', ErrorCode: '30005' }],
  ])('says why %s failed', (_, form) => {
    const failure = { code: '30005', reason: 'unreachable', cure: 'another_channel', means: 'bad_number' };

    expect(read(form)?.failure).toEqual(failure);
  });

  it('says nothing of the error of a message that arrived', () => {
    expect(read({ ...DELIVERED, ErrorCode: '30008' })).not.toHaveProperty('failure');
  });

  it.each<[what: string, form: Record<string, string>, url: string]>([
    ['of a status that nobody knows', { ...DELIVERED, MessageStatus: 'partially_delivered' }, URL_OF_MESSAGE],
    ['of a status from the language itself', { ...DELIVERED, MessageStatus: 'constructor' }, URL_OF_MESSAGE],
    [
      'of a call in a status of messages',
      { AccountSid: ACCOUNT, CallSid: CALL_SID, CallStatus: 'sent' },
      URL_OF_MESSAGE,
    ],
    ['of no message', { AccountSid: ACCOUNT, MessageStatus: 'delivered' }, URL_OF_MESSAGE],
    ['of no status', { AccountSid: ACCOUNT, MessageSid: MESSAGE_SID }, URL_OF_MESSAGE],
    ['to an address that names no message', DELIVERED, CALLBACK],
    ['to an address that names an empty message', DELIVERED, `${CALLBACK}?message=`],
  ])('passes over a report %s', (_, form, url) => {
    expect(read(form, { url })).toBeNull();
  });

  it.each([TOKEN, REPLACING])('takes either token while one replaces the other', (token) => {
    expect(read(DELIVERED, { token })).not.toBeNull();
  });

  it('says the same of the same report again: whoever keeps the state makes one of two', () => {
    expect(read(DELIVERED)).toEqual(read(DELIVERED));
  });

  it('gives back whatever reference the address was made with', () => {
    const reference = 'ä/b?c&message=other#+ %';
    const [url] = callbackUrlOf(CALLBACK, reference).split('#rc=') as [string];

    expect(read(DELIVERED, { url })?.reference).toBe(reference);
  });

  it.each<[what: string, forged: Partial<Forged>]>([
    ['signed with another token', { token: '6'.repeat(32) }],
    ['signed for another scheme', { signedUrl: URL_OF_MESSAGE.replace('https:', 'http:') }],
    ['signed for another host', { signedUrl: URL_OF_MESSAGE.replace('id.', 'evil.') }],
    ['signed for another path', { signedUrl: URL_OF_MESSAGE.replace('/twilio', '/other') }],
    ['signed for another message', { signedUrl: `${CALLBACK}?message=ver_2` }],
    ['signed for no message', { signedUrl: CALLBACK }],
    ['with a changed status', { signedForm: { ...DELIVERED, MessageStatus: 'sent' } }],
    ['with one parameter more', { signedForm: without('To') }],
    ['with one parameter less', { signedForm: { ...DELIVERED, ErrorCode: '30005' } }],
    ['that is not signed', { signature: undefined }],
    ['with an empty signature', { signature: '' }],
    ['with two signatures', { signature: [sign(URL_OF_MESSAGE, DELIVERED), 'x'] }],
  ])('refuses a report %s', (_, forged) => {
    expect(() => read(DELIVERED, forged)).toThrow(ReportForged);
  });

  it.each<[what: string, twice: string[]]>([
    ['the same', ['delivered', 'delivered']],
    ['another', ['delivered', 'failed']],
  ])('refuses a report that says its status twice, the second time %s', (_, MessageStatus) => {
    expect(() => read({ ...DELIVERED, MessageStatus }, { signedForm: DELIVERED })).toThrow(ReportForged);
  });

  it('refuses a signed report on another account', () => {
    expect(() => read({ ...DELIVERED, AccountSid: `AC${'9'.repeat(32)}` })).toThrow(ReportForged);
    expect(() => read(without('AccountSid'))).toThrow(ReportForged);
  });

  it('believes nothing without a token to check by', () => {
    const blind = new TwilioReports({ accountSid: ACCOUNT, signingTokens: [] }, CALLBACK);
    const signature = sign(URL_OF_MESSAGE, DELIVERED, '');

    expect(() => blind.read({ signature, query: '?message=ver_1.2', params: DELIVERED })).toThrow(
      ReportForged,
    );
  });

  it('shows its tokens to nobody who inspects it', () => {
    expect(inspect(reports, { depth: null, showHidden: true })).not.toMatch(/5{32}|7{32}/);
  });

  interface Forged {
    readonly url: string;
    readonly token: string;
    readonly signedUrl: string;
    readonly signedForm: Form;
    readonly signature: unknown;
  }

  function read(params: Form, forged: Partial<Forged> = {}): DeliveryReport | null {
    const { url = URL_OF_MESSAGE, token = TOKEN, signedUrl = url, signedForm = params } = forged;
    const signature = 'signature' in forged ? forged.signature : sign(signedUrl, signedForm, token);
    return reports.read({ signature, query: url.slice(CALLBACK.length), params });
  }
});

describe('callbackUrlFor', () => {
  const signingTokens = [TOKEN];

  it.each([
    'https://id.example.test',
    'http://id.example.test:8080',
    'https://id.example.test/below/a/path',
    'https://93.184.215.14',
    'https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]',
  ])('reports can be had at %s', (publicUrl) => {
    const url = callbackUrlFor(publicUrl, { signingTokens, apiUrl: null });

    expect(url).toBe(`${publicUrl}/v1/webhooks/twilio`);
  });

  it.each([
    'http://localhost:3000',
    'http://localhost.',
    'http://id.localhost',
    'http://id.internal.',
    'http://latchkey',
    'http://id.local',
    'http://id.internal',
    'https://my_id.example.test',
    'http://127.0.0.1:3000',
    'http://2130706433',
    'http://10.1.2.3',
    'http://172.16.0.1',
    'http://192.168.1.1',
    'http://169.254.1.1',
    'http://100.64.0.1',
    'http://0.0.0.0',
    'http://[::1]:3000',
    'http://[fd00::1]',
    'http://[fe80::1]',
    'http://[::ffff:127.0.0.1]',
  ])('none can be had at %s, except from a test double', (publicUrl) => {
    expect(callbackUrlFor(publicUrl, { signingTokens, apiUrl: null })).toBeNull();
    expect(callbackUrlFor(publicUrl, { signingTokens, apiUrl: 'http://127.0.0.1:4010' })).not.toBeNull();
  });

  it('none can be had without an address of our own', () => {
    expect(callbackUrlFor(null, { signingTokens, apiUrl: 'http://127.0.0.1:4010' })).toBeNull();
  });

  it('none can be had that nobody could check', () => {
    expect(callbackUrlFor('https://id.example.test', { signingTokens: [], apiUrl: null })).toBeNull();
  });
});

it('the address for a message has the reference, and how often to try it', () => {
  expect(callbackUrlOf(CALLBACK, 'ver/1 2')).toBe(`${CALLBACK}?message=ver%2F1%202#rc=5&rp=5xx,ct,rt`);
});

type Form = Readonly<Record<string, string | string[]>>;

function without(name: string): Form {
  return Object.fromEntries(Object.entries(DELIVERED).filter(([other]) => other !== name));
}

/** As https://www.twilio.com/docs/usage/security#validating-requests says, not as its library does. */
function sign(url: string, form: Form, token = TOKEN): string {
  const said = Object.keys(form)
    .sort()
    .map((name) => name + form[name]);
  return createHmac('sha1', token)
    .update(url + said.join(''))
    .digest('base64');
}
