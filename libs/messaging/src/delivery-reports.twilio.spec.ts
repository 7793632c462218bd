import { inspect } from 'node:util';
import { signReport } from '../../../test/support/fake-twilio-reports.js';
import { callbackUrlFor, callbackUrlOf, ReportForged, TwilioReports } from './delivery-reports.twilio.js';
import type { DeliveryReport, Failure } from './message-provider.js';

const ACCOUNT = `AC${'0'.repeat(32)}`;
const TOKEN = '5'.repeat(32);
const NEW_TOKEN = '7'.repeat(32);
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
  const reports = new TwilioReports({ accountSid: ACCOUNT, signingTokens: [TOKEN, NEW_TOKEN] }, CALLBACK);

  it.each<[twilioStatus: string, status: DeliveryReport['status'], failure: Failure | undefined]>([
    ['accepted', 'accepted', undefined],
    ['scheduled', 'accepted', undefined],
    ['queued', 'accepted', undefined],
    ['sending', 'accepted', undefined],
    ['sent', 'sent', undefined],
    ['delivered', 'delivered', undefined],
    ['read', 'delivered', undefined],
    ['undelivered', 'undelivered', { code: 'undelivered', reason: 'unreachable', recovery: 'another_route' }],
    ['failed', 'failed', { code: 'failed', reason: 'provider', recovery: 'another_route' }],
    ['canceled', 'failed', { code: 'failed', reason: 'provider', recovery: 'another_route' }],
  ])('reads the message status "%s" as %s', (MessageStatus, status, failure) => {
    expect(readAll({ ...DELIVERED, MessageStatus })).toEqual({
      reference: 'ver_1.2',
      report: { providerId: MESSAGE_SID, status, failure },
    });
  });

  it.each<[twilioStatus: string, status: DeliveryReport['status'], failure: Failure | undefined]>([
    ['queued', 'accepted', undefined],
    ['initiated', 'accepted', undefined],
    ['ringing', 'accepted', undefined],
    ['in-progress', 'sent', undefined],
    ['answered', 'sent', undefined],
    ['completed', 'delivered', undefined],
    ['busy', 'undelivered', { code: 'busy', reason: 'unreachable', recovery: 'another_channel' }],
    ['no-answer', 'undelivered', { code: 'no-answer', reason: 'unreachable', recovery: 'another_channel' }],
    ['canceled', 'undelivered', { code: 'canceled', reason: 'unreachable', recovery: 'another_channel' }],
    ['failed', 'failed', { code: 'failed', reason: 'unreachable', recovery: 'another_channel' }],
  ])('reads the call status "%s" as %s', (CallStatus, status, failure) => {
    expect(readAll({ AccountSid: ACCOUNT, CallSid: CALL_SID, CallStatus })).toEqual({
      reference: 'ver_1.2',
      report: { providerId: CALL_SID, status, failure },
    });
  });

  it.each<[answeredBy: string, status: DeliveryReport['status'], failure: Failure | undefined]>([
    ['human', 'delivered', undefined],
    ['unknown', 'delivered', undefined],
    ['', 'delivered', undefined],
    ...['machine_start', 'machine_end_beep', 'machine_end_silence', 'machine_end_other', 'fax'].map(
      (code): [string, 'undelivered', Failure] => [
        code,
        'undelivered',
        { code, reason: 'unreachable', recovery: 'another_channel' },
      ],
    ),
  ])('reads a call that "%s" answered as %s once it is completed', (AnsweredBy, status, failure) => {
    const call = { AccountSid: ACCOUNT, CallSid: CALL_SID, AnsweredBy };
    expect(read({ ...call, CallStatus: 'completed' })).toEqual({ providerId: CALL_SID, status, failure });
    expect(read({ ...call, CallStatus: 'in-progress' })?.status).toBe('sent');
    expect(read({ ...DELIVERED, AnsweredBy })?.status).toBe('delivered');
  });

  it.each<[what: string, form: Record<string, string>]>([
    ['a message', { ...DELIVERED, MessageStatus: 'undelivered', ErrorCode: '30005' }],
    ['a call', { AccountSid: ACCOUNT, CallSid: CALL_SID, CallStatus: 'failed', ErrorCode: '30005' }],
  ])('reads the failure of %s from its error code', (_, form) => {
    const failure = {
      code: '30005',
      reason: 'unreachable',
      recovery: 'another_channel',
      badForMinutes: 1_440,
    };

    expect(read(form)?.failure).toEqual(failure);
  });

  it('ignores the error code of a delivered message', () => {
    expect(read({ ...DELIVERED, ErrorCode: '30008' })).not.toHaveProperty('failure');
  });

  it.each<[what: string, form: Record<string, string>, url: string]>([
    ['with an unknown status', { ...DELIVERED, MessageStatus: 'partially_delivered' }, URL_OF_MESSAGE],
    [
      'with a status that is a property of every object',
      { ...DELIVERED, MessageStatus: 'constructor' },
      URL_OF_MESSAGE,
    ],
    [
      'on a call with a status of messages',
      { AccountSid: ACCOUNT, CallSid: CALL_SID, CallStatus: 'sent' },
      URL_OF_MESSAGE,
    ],
    ['without a message id', { AccountSid: ACCOUNT, MessageStatus: 'delivered' }, URL_OF_MESSAGE],
    ['without a status', { AccountSid: ACCOUNT, MessageSid: MESSAGE_SID }, URL_OF_MESSAGE],
    ['without a message reference in the URL', DELIVERED, CALLBACK],
    ['with an empty message reference in the URL', DELIVERED, `${CALLBACK}?message=`],
  ])('ignores a report %s', (_, form, url) => {
    expect(read(form, { url })).toBeNull();
  });

  it.each([
    ['first', TOKEN],
    ['second', NEW_TOKEN],
  ])('accepts a report signed with the %s of two tokens', (_, token) => {
    expect(read(DELIVERED, { token })).not.toBeNull();
  });

  it('returns the same report for a repeated callback', () => {
    expect(read(DELIVERED)).toEqual(read(DELIVERED));
  });

  it('returns the reference from the callback URL, whatever characters it has', () => {
    const reference = 'ä/b?c&message=other#+ %';
    const [url] = callbackUrlOf(CALLBACK, reference).split('#rc=') as [string];

    expect(readAll(DELIVERED, { url })?.reference).toBe(reference);
  });

  it.each<[what: string, forged: Partial<Forged>]>([
    ['signed with another token', { token: '6'.repeat(32) }],
    ['signed for another scheme', { signedUrl: URL_OF_MESSAGE.replace('https:', 'http:') }],
    ['signed for another host', { signedUrl: URL_OF_MESSAGE.replace('id.', 'evil.') }],
    ['signed for another path', { signedUrl: URL_OF_MESSAGE.replace('/twilio', '/other') }],
    ['signed for another message', { signedUrl: `${CALLBACK}?message=ver_2` }],
    ['signed for no message', { signedUrl: CALLBACK }],
    ['with a changed status', { signedForm: { ...DELIVERED, MessageStatus: 'sent' } }],
    ['with an added parameter', { signedForm: without('To') }],
    ['with a missing parameter', { signedForm: { ...DELIVERED, ErrorCode: '30005' } }],
    ['without a signature', { signature: undefined }],
    ['with an empty signature', { signature: '' }],
    ['with two signatures', { signature: [sign(URL_OF_MESSAGE, DELIVERED), 'x'] }],
  ])('refuses a report %s', (_, forged) => {
    expect(() => read(DELIVERED, forged)).toThrow(ReportForged);
  });

  it.each<[what: string, statuses: string[]]>([
    ['equal', ['delivered', 'delivered']],
    ['different', ['delivered', 'failed']],
  ])('refuses a report with two %s statuses', (_, MessageStatus) => {
    expect(() => read({ ...DELIVERED, MessageStatus }, { signedForm: DELIVERED })).toThrow(ReportForged);
  });

  it('refuses a signed report for another account or without one', () => {
    expect(() => read({ ...DELIVERED, AccountSid: `AC${'9'.repeat(32)}` })).toThrow(ReportForged);
    expect(() => read(without('AccountSid'))).toThrow(ReportForged);
  });

  it('refuses every report when no signing token is configured', () => {
    const withoutTokens = new TwilioReports({ accountSid: ACCOUNT, signingTokens: [] }, CALLBACK);
    const signature = sign(URL_OF_MESSAGE, DELIVERED, '');

    expect(() => withoutTokens.read({ signature, query: '?message=ver_1.2', params: DELIVERED })).toThrow(
      ReportForged,
    );
  });

  it('does not expose its tokens to inspect()', () => {
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
    return readAll(params, forged)?.report ?? null;
  }

  function readAll(params: Form, forged: Partial<Forged> = {}) {
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
  ])('returns the callback URL below %s', (publicUrl) => {
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
  ])('returns null for %s, unless the API is a test double', (publicUrl) => {
    expect(callbackUrlFor(publicUrl, { signingTokens, apiUrl: null })).toBeNull();
    expect(callbackUrlFor(publicUrl, { signingTokens, apiUrl: 'http://127.0.0.1:4010' })).not.toBeNull();
  });

  it('returns null without a public URL', () => {
    expect(callbackUrlFor(null, { signingTokens, apiUrl: 'http://127.0.0.1:4010' })).toBeNull();
  });

  it('returns null without a signing token', () => {
    expect(callbackUrlFor('https://id.example.test', { signingTokens: [], apiUrl: null })).toBeNull();
  });
});

describe('callbackUrlOf', () => {
  it("adds the message reference and Twilio's retry settings", () => {
    expect(callbackUrlOf(CALLBACK, 'ver/1 2')).toBe(`${CALLBACK}?message=ver%2F1%202#rc=5&rp=5xx,ct,rt`);
  });
});

type Form = Readonly<Record<string, string | string[]>>;

function without(name: string): Form {
  return Object.fromEntries(Object.entries(DELIVERED).filter(([other]) => other !== name));
}

function sign(url: string, form: Form, token = TOKEN): string {
  return signReport(token, url, form);
}
