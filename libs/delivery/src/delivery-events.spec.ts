import { Logger } from '@nestjs/common';
import { Registry } from 'prom-client';
import type { Route } from '#config';
import { type DeliveryStep, type Failure, MessageProvider, MessageProviders } from '#messaging';
import { DeliveryEvents } from './delivery-events.js';

const TWILIO: Route = { channel: 'sms', provider: 'twilio' };
const HTTP: Route = { channel: 'sms', provider: 'http' };
const NO_CREDIT: Failure = {
  code: '20003',
  reason: 'provider',
  recovery: 'another_provider',
  means: 'outage',
};

/** A provider that shows its messages. */
class ShowingProvider extends MessageProvider {
  readonly name = 'inbox';
  readonly channels = ['sms', 'call'] as const;
  readonly steps: [providerId: string, status: string, reason: string | null][] = [];

  async send() {
    return { providerId: 'one', status: 'accepted' } as const;
  }

  override recordStep(providerId: string, { status, reason }: DeliveryStep): void {
    this.steps.push([providerId, status, reason]);
  }
}

describe('DeliveryEvents', () => {
  let events: DeliveryEvents;
  let registry: Registry;
  let inbox: ShowingProvider;
  let lines: { level: string; line: object }[];

  beforeEach(() => {
    jest.useFakeTimers();
    registry = new Registry();
    inbox = new ShowingProvider();
    events = new DeliveryEvents(new MessageProviders([inbox]), registry);
    lines = [];
    for (const level of ['log', 'warn', 'error'] as const) {
      jest.spyOn(Logger.prototype, level as 'log').mockImplementation((line) => {
        lines.push({ level, line });
      });
    }
  });

  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  it('counts and logs each state that a message reaches', async () => {
    const labels = { channel: 'sms', sender: 'twilio' };
    const failure = { code: '30005', reason: 'unreachable', recovery: 'none' } as const;
    events.reached({ route: TWILIO, status: 'sent', providerId: 'SM1', queuedAt: null });
    events.reached({ route: TWILIO, status: 'failed', failure, queuedAt: null });

    expect(await metrics()).toEqual(
      expect.arrayContaining([
        'latchkey_messages_total{channel="sms",sender="twilio",status="sent",reason=""} 1',
        'latchkey_messages_total{channel="sms",sender="twilio",status="failed",reason="unreachable"} 1',
      ]),
    );
    expect(lines).toEqual([
      {
        level: 'log',
        line: expect.objectContaining({ ...labels, event: 'reached', status: 'sent', provider_id: 'SM1' }),
      },
      { level: 'log', line: expect.objectContaining({ ...labels, reason: 'unreachable', code: '30005' }) },
    ]);
  });

  it('measures the time until a provider accepted the message, once', async () => {
    const message = { route: TWILIO, providerId: 'SM1' };
    events.reached({ ...message, status: 'accepted', queuedAt: new Date(Date.now() - 3_000) });
    events.reached({ ...message, status: 'delivered', queuedAt: null });

    const name = 'latchkey_message_hand_over_seconds';
    expect(await metrics()).toEqual(
      expect.arrayContaining([
        `${name}_sum{channel="sms",sender="twilio"} 3`,
        `${name}_count{channel="sms",sender="twilio"} 1`,
      ]),
    );
  });

  it('passes each state on to a provider that shows its messages', () => {
    const failure = { code: '30003', reason: 'unreachable', recovery: 'another_channel' } as const;
    const route = { channel: 'sms', provider: 'inbox' } as const;
    events.reached({ route, providerId: 'one', status: 'accepted', queuedAt: new Date() });
    events.reached({ route, providerId: 'one', status: 'undelivered', failure, queuedAt: null });
    events.fellBack(route, { channel: 'call', provider: 'inbox' }, 'one');
    events.reached({ route, status: 'failed', queuedAt: null });

    expect(inbox.steps).toEqual([
      ['one', 'queued', null],
      ['one', 'accepted', null],
      ['one', 'undelivered', 'unreachable'],
      ['one', 'replaced by call', null],
    ]);
  });

  it('counts and logs a fallback', async () => {
    events.fellBack(TWILIO, HTTP, null);

    expect(await metrics()).toContain('latchkey_message_fallbacks_total{from="sms:twilio",to="sms:http"} 1');
    expect(lines).toEqual([
      {
        level: 'log',
        line: expect.objectContaining({ from: 'sms:twilio', to: 'sms:http' }),
      },
    ]);
  });

  it('logs an alarm once a minute for each provider and code, and counts all', async () => {
    const alarms = () => lines.filter(({ level }) => level === 'error');
    const refused = (route: Route, failure: Failure) =>
      events.reached({ route, status: 'failed', failure, queuedAt: null });
    for (let message = 0; message < 100; message += 1) refused(TWILIO, NO_CREDIT);
    refused(HTTP, NO_CREDIT);
    refused(TWILIO, { ...NO_CREDIT, code: '20005' });

    expect(await metrics()).toContain('latchkey_message_alarms_total{sender="twilio",code="20003"} 100');
    expect(alarms()).toEqual([
      {
        level: 'error',
        line: expect.objectContaining({ sender: 'twilio', code: '20003', means: 'outage' }),
      },
      { level: 'error', line: expect.objectContaining({ sender: 'http', code: '20003' }) },
      { level: 'error', line: expect.objectContaining({ sender: 'twilio', code: '20005' }) },
    ]);

    jest.advanceTimersByTime(59_999);
    refused(TWILIO, NO_CREDIT);
    expect(alarms()).toHaveLength(3);

    jest.advanceTimersByTime(1);
    refused(TWILIO, NO_CREDIT);
    expect(alarms()).toHaveLength(4);
  });

  it('logs the cause of deferrals once a minute, and counts all', async () => {
    for (let message = 0; message < 10; message += 1) events.deferred(TWILIO, 'ECONNREFUSED');
    events.deferred(TWILIO, '20429');

    expect(await metrics()).toContain(
      'latchkey_message_deferrals_total{sender="twilio",code="ECONNREFUSED"} 10',
    );
    expect(lines).toEqual([
      { level: 'warn', line: expect.objectContaining({ event: 'deferred', code: 'ECONNREFUSED' }) },
      { level: 'warn', line: expect.objectContaining({ event: 'deferred', code: '20429' }) },
    ]);
  });

  it.each(['send', 'check'] as const)('counts and logs the use of a test number (%s)', async (what) => {
    events.testNumberUsed(what);

    expect(await metrics()).toContain(`latchkey_test_number_uses_total{what="${what}"} 1`);
    expect(lines).toEqual([
      { level: 'log', line: expect.objectContaining({ event: 'test_number_used', what }) },
    ]);
  });

  async function metrics(): Promise<string[]> {
    return (await registry.metrics()).split('\n');
  }
});
