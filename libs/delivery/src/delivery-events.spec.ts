import { Logger } from '@nestjs/common';
import { Registry } from 'prom-client';
import type { Route } from '#config';
import { Keys, nameSecret } from '#keys';
import { type DeliveryStep, type Failure, MessageProvider, MessageProviders } from '#messaging';
import type { VerificationId } from '#otp';
import type { PhoneNumber } from '#phone';
import { WebhookEvents } from '#webhooks';
import { DeliveryEvents } from './delivery-events.js';

const NOW = new Date('2026-01-01T12:00:00Z');
const TWILIO: Route = { channel: 'sms', provider: 'twilio' };
const HTTP: Route = { channel: 'sms', provider: 'http' };
const KEYS = new Keys(Buffer.alloc(32), nameSecret('a secret that is long enough for a test'));
/** Off: nothing is stored. */
const WEBHOOKS = new WebhookEvents(null as never, KEYS, { receiver: null });
const SUBJECT = {
  id: 'q0b7ZnG2S1mXw9cY4rT5uA' as VerificationId,
  phoneNumber: '+14155550100' as PhoneNumber,
};
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
    events = new DeliveryEvents(new MessageProviders([inbox]), KEYS, WEBHOOKS, registry);
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
    events.reached(SUBJECT, { route: TWILIO, status: 'sent', providerId: 'SM1', queuedAt: null, at: NOW });
    events.reached(SUBJECT, { route: TWILIO, status: 'failed', failure, queuedAt: null, at: NOW });

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
    events.reached(SUBJECT, {
      ...message,
      status: 'accepted',
      queuedAt: NOW,
      at: new Date(NOW.getTime() + 3_000),
    });
    events.reached(SUBJECT, { ...message, status: 'delivered', queuedAt: null, at: NOW });

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
    events.reached(SUBJECT, { route, providerId: 'one', status: 'accepted', queuedAt: NOW, at: NOW });
    events.reached(SUBJECT, {
      route,
      providerId: 'one',
      status: 'undelivered',
      failure,
      queuedAt: null,
      at: NOW,
    });
    events.fellBack(SUBJECT, route, { channel: 'call', provider: 'inbox' }, 'one', NOW);
    events.reached(SUBJECT, { route, status: 'failed', queuedAt: null, at: NOW });

    expect(inbox.steps).toEqual([
      ['one', 'queued', null],
      ['one', 'accepted', null],
      ['one', 'undelivered', 'unreachable'],
      ['one', 'replaced by call', null],
    ]);
  });

  it('counts and logs a fallback', async () => {
    events.fellBack(SUBJECT, TWILIO, HTTP, null, NOW);

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
      events.reached(SUBJECT, { route, status: 'failed', failure, queuedAt: null, at: NOW });
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

  it('warns of the cause of deferrals once a minute, and logs and counts all', async () => {
    for (let message = 0; message < 10; message += 1) events.deferred(SUBJECT, TWILIO, 'ECONNREFUSED');
    events.deferred(SUBJECT, TWILIO, '20429');

    expect(await metrics()).toContain(
      'latchkey_message_deferrals_total{sender="twilio",code="ECONNREFUSED"} 10',
    );
    const isWarning = ({ level }: { level: string }) => level === 'warn';
    expect(lines).toHaveLength(11);
    expect(lines.filter(isWarning)).toEqual([
      { level: 'warn', line: expect.objectContaining({ event: 'deferred', code: 'ECONNREFUSED' }) },
      { level: 'warn', line: expect.objectContaining({ event: 'deferred', code: '20429' }) },
    ]);
  });

  it.each(['send', 'check'] as const)('counts and logs the use of a test number (%s)', async (what) => {
    events.testNumberUsed(SUBJECT, what);

    expect(await metrics()).toContain(`latchkey_test_number_uses_total{what="${what}"} 1`);
    expect(lines).toEqual([
      { level: 'log', line: expect.objectContaining({ event: 'test_number_used', what }) },
    ]);
  });

  it('names the verification and the number in every line, without giving access to either', () => {
    events.reached(SUBJECT, { route: TWILIO, status: 'failed', failure: NO_CREDIT, queuedAt: null, at: NOW });
    events.fellBack(SUBJECT, TWILIO, HTTP, 'SM1', NOW);
    events.deferred(SUBJECT, TWILIO, 'timeout');
    events.testNumberUsed(SUBJECT, 'check');

    expect(lines.map(({ line }) => line)).toEqual(
      ['reached', 'alarmed', 'fell_back', 'deferred', 'test_number_used'].map((event) =>
        expect.objectContaining({
          event,
          verification: SUBJECT.id.slice(0, 8),
          number_hash: KEYS.phoneIndexOf(SUBJECT.phoneNumber),
        }),
      ),
    );
    const text = JSON.stringify(lines);
    expect(text).not.toContain(SUBJECT.id);
    expect(text).not.toContain(SUBJECT.phoneNumber.slice(1));
  });

  async function metrics(): Promise<string[]> {
    return (await registry.metrics()).split('\n');
  }
});
