import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Channel } from '#config';
import {
  callbackUrlFor,
  type DeliveryReport,
  type Message,
  ReportForged,
  TwilioProvider,
  TwilioReports,
} from '#messaging';
import type { PhoneNumber } from '#phone';
import { FakeTwilio } from '../support/fake-twilio.js';
import { twilioConfigFor } from '../support/twilio-config.js';

const MESSAGE: Message = {
  to: '+14155550123' as PhoneNumber,
  channel: 'sms',
  body: '739145 is your code',
  code: '739145',
  locale: 'en',
  validForSeconds: 300,
  reference: 'ver 1/2&3',
};

describe('Twilio delivery reports', () => {
  let fake: FakeTwilio;
  let webhook: Webhook;

  beforeEach(async () => {
    fake = await FakeTwilio.start();
    webhook = await Webhook.start([fake.authToken, fake.secondaryToken], fake.accountSid);
  });

  afterEach(async () => {
    await fake.stop();
    await webhook.stop();
  });

  it.each<[channel: Channel, reports: string[], statuses: string[]]>([
    ['sms', ['queued', 'sent', 'delivered'], ['accepted', 'sent', 'delivered']],
    ['whatsapp', ['sent', 'delivered', 'read'], ['sent', 'delivered', 'delivered']],
    ['call', ['in-progress', 'completed'], ['sent', 'delivered']],
  ])('on %s messages are read in order', async (channel, reports, statuses) => {
    fake.planReports(reports);

    const { providerId } = await send({ channel });
    await fake.reported(reports.length);

    const { reference } = MESSAGE;
    expect(webhook.read).toEqual(statuses.map((status) => ({ reference, providerId, status })));
  });

  it('carry the error code of a failure, or the status of a failed call', async () => {
    fake.planReports(({ channel }) => (channel === 'sms' ? ['sent', { undelivered: 30003 }] : ['busy']));

    await send();
    await fake.reported(2);
    await send({ channel: 'call' });
    await fake.reported(3);

    expect(webhook.read.map(({ failure }) => failure?.code)).toEqual([undefined, '30003', 'busy']);
  });

  it('are delayed, doubled and shuffled by seed in the fake', async () => {
    fake.planReports(['queued', 'sent', 'delivered'], { delayMs: 50, doubled: true, shuffleSeed: 7 });
    await send();
    expect(webhook.read).toEqual([]);
    await fake.reported(6);

    fake.planReports(['queued', 'sent', 'delivered'], { doubled: true, shuffleSeed: 7 });
    await send();
    await fake.reported(12);

    const statuses = webhook.read.map(({ status }) => status);
    expect(statuses.slice(0, 6)).toEqual(statuses.slice(6));
    expect(statuses.slice(0, 6)).not.toEqual([
      'accepted',
      'accepted',
      'sent',
      'sent',
      'delivered',
      'delivered',
    ]);
    expect(statuses.slice(0, 6).sort().join()).toBe('accepted,accepted,delivered,delivered,sent,sent');
  });

  it('are repeated after a 5xx answer', async () => {
    webhook.answers.push(503, 500);
    fake.planReports(['delivered']);

    await send();
    await fake.reported(1);

    expect(fake.reports).toEqual([expect.objectContaining({ status: 'delivered', answer: 204 })]);
  });

  it('are repeated while the server refuses connections', async () => {
    await webhook.stop();
    fake.planReports(['delivered']);

    await send();
    await webhook.listen();
    await fake.reported(1);

    expect(webhook.read).toHaveLength(1);
  });

  it('are cancelled when the fake stops', async () => {
    fake.planReports(['delivered'], { delayMs: 60_000 });
    await send();

    await fake.stop();

    expect(fake.reports).toEqual([]);
  });

  it('are accepted with the new auth token after a rotation', async () => {
    fake.signReportsWith(fake.secondaryToken);
    const { providerId } = await send();

    expect(await fake.report(providerId, 'delivered')).toBe(204);
  });

  it('are verified against the public address, not the address behind a proxy', async () => {
    webhook.publicUrl = 'https://id.example.test';
    fake.sendReportsTo(webhook.url);
    const { providerId } = await send();

    expect(await fake.report(providerId, 'delivered')).toBe(204);
    expect(webhook.read).toHaveLength(1);
  });

  it('are rejected when forged', async () => {
    const { providerId } = await send();
    const own = fake.messages[0]?.statusCallback ?? '';

    const answers = await Promise.all([
      fake.report(providerId, 'delivered', { signedWith: '0'.repeat(32) }),
      fake.report(providerId, 'delivered', { signedWith: null }),
      fake.report(providerId, 'delivered', { signedFor: own.replace('message=', 'message=other') }),
      fake.report(providerId, 'delivered', { url: own.replace('message=', 'message=other'), signedFor: own }),
      fake.report(providerId, 'sent', { changed: { MessageStatus: 'delivered' } }),
    ]);

    expect(answers).toEqual(answers.map(() => 403));
    expect(webhook.read).toEqual([]);
  });

  it('come from a fake that fails the same share of requests for the same seed', async () => {
    const outcomes = async () => {
      fake.answerRandomly({ share: 0.3, with: { fail: 503 } }, 42);
      const sent: string[] = [];
      for (let count = 0; count < 40; count += 1)
        sent.push(
          await send().then(
            () => '+',
            () => '-',
          ),
        );
      return sent.join('');
    };

    const first = await outcomes();

    expect(await outcomes()).toBe(first);
    expect(first.split('-').length - 1).toBeGreaterThan(5);
    expect(first.split('-').length - 1).toBeLessThan(20);
  });

  function send(change: Partial<Message> = {}) {
    const whatsapp = { from: '+15005550007', contentSid: null };
    const config = twilioConfigFor(fake, { whatsapp, callFrom: '+15005550008' });
    const twilio = new TwilioProvider(config, callbackUrlFor(webhook.publicUrl, config));
    return twilio.send({ ...MESSAGE, ...change });
  }
});

/** A server that receives delivery reports. */
class Webhook {
  readonly read: (DeliveryReport & { readonly reference: string })[] = [];
  /** The statuses that answer the next reports, which are not read. */
  readonly answers: number[] = [];
  publicUrl = '';
  private port = 0;

  private readonly server = createServer(async (request, response) => {
    const form = new URLSearchParams(await text(request));
    response.statusCode = this.answers.shift() ?? this.answerTo(request.headers, request.url ?? '', form);
    response.end();
  });

  private constructor(
    readonly signingTokens: readonly string[],
    readonly accountSid: string,
  ) {}

  static async start(signingTokens: string[], accountSid: string): Promise<Webhook> {
    const webhook = new Webhook(signingTokens, accountSid);
    await webhook.listen();
    webhook.publicUrl = webhook.url;
    return webhook;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async listen(): Promise<void> {
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private answerTo(headers: Record<string, unknown>, path: string, form: URLSearchParams): number {
    const signature = headers['x-twilio-signature'];
    try {
      const [route, query] = path.split(/(?=\?)/) as [string, string];
      const reports = new TwilioReports(this, this.publicUrl + route);
      const read = reports.read({ signature, query, params: Object.fromEntries(form) });
      if (read) this.read.push({ reference: read.reference, ...read.report });
      return 204;
    } catch (error) {
      return error instanceof ReportForged ? 403 : 500;
    }
  }
}
