import { Logger } from '@nestjs/common';
import { MessageEvents, messagingMetrics } from './message-events.js';
import type { Failure } from './message-sender.js';

const NO_CREDIT: Failure = { code: '20003', reason: 'provider', cure: 'another_sender', means: 'outage' };

describe('MessageEvents', () => {
  let events: MessageEvents;
  let lines: { level: string; line: object }[];

  beforeEach(() => {
    jest.useFakeTimers();
    messagingMetrics.resetMetrics();
    events = new MessageEvents();
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
    const route = { channel: 'sms', sender: 'twilio' } as const;
    const failure = { code: '30005', reason: 'unreachable', cure: 'none' } as const;
    events.reached({ ...route, status: 'sent', providerId: 'SM1', queuedAt: null });
    events.reached({ ...route, status: 'failed', failure, queuedAt: null });

    expect(await metrics()).toEqual(
      expect.arrayContaining([
        'latchkey_messages_total{channel="sms",sender="twilio",status="sent",reason=""} 1',
        'latchkey_messages_total{channel="sms",sender="twilio",status="failed",reason="unreachable"} 1',
      ]),
    );
    expect(lines).toEqual([
      {
        level: 'log',
        line: expect.objectContaining({ ...route, event: 'reached', status: 'sent', provider_id: 'SM1' }),
      },
      { level: 'log', line: expect.objectContaining({ ...route, reason: 'unreachable', code: '30005' }) },
    ]);
  });

  it('measures how long a message waited to be handed over, once', async () => {
    const route = { channel: 'sms', sender: 'twilio', providerId: 'SM1' } as const;
    events.reached({ ...route, status: 'accepted', queuedAt: new Date(Date.now() - 3_000) });
    events.reached({ ...route, status: 'delivered', queuedAt: null });

    const name = 'latchkey_message_hand_over_seconds';
    expect(await metrics()).toEqual(
      expect.arrayContaining([
        `${name}_sum{channel="sms",sender="twilio"} 3`,
        `${name}_count{channel="sms",sender="twilio"} 1`,
      ]),
    );
  });

  it('tells whoever shows a message what it went through', () => {
    const told: unknown[] = [];
    events.listen((providerId, { status, reason }) => told.push([providerId, status, reason]));
    const failure = { code: '30003', reason: 'unreachable', cure: 'another_channel' } as const;
    const route = { channel: 'sms', sender: 'inbox', providerId: 'one' } as const;
    events.reached({ ...route, status: 'accepted', queuedAt: new Date() });
    events.reached({ ...route, status: 'undelivered', failure, queuedAt: null });
    events.fellBack(route, { channel: 'call', sender: 'inbox' }, 'one');
    events.reached({ ...route, providerId: undefined, status: 'failed', queuedAt: null });

    expect(told).toEqual([
      ['one', 'queued', null],
      ['one', 'accepted', null],
      ['one', 'undelivered', 'unreachable'],
      ['one', 'replaced by call', null],
    ]);
  });

  it('counts and logs a way round', async () => {
    events.fellBack({ channel: 'sms', sender: 'twilio' }, { channel: 'sms', sender: 'http' }, null);

    expect(await metrics()).toContain('latchkey_message_fallbacks_total{from="sms:twilio",to="sms:http"} 1');
    expect(lines).toEqual([
      {
        level: 'log',
        line: expect.objectContaining({ from: 'sms:twilio', to: 'sms:http' }),
      },
    ]);
  });

  it('shows a circuit from the start, and warns when it opens', async () => {
    const tell = events.watchCircuit('http');
    expect(await metrics()).toContain('latchkey_sender_circuit_open{sender="http"} 0');

    tell(true);
    expect(await metrics()).toContain('latchkey_sender_circuit_open{sender="http"} 1');

    tell(false);
    expect(await metrics()).toContain('latchkey_sender_circuit_open{sender="http"} 0');
    expect(lines).toEqual([
      { level: 'warn', line: expect.objectContaining({ event: 'circuit_opened', sender: 'http' }) },
      { level: 'log', line: expect.objectContaining({ event: 'circuit_closed', sender: 'http' }) },
    ]);
  });

  it('logs an alarm once a minute for each sender and code, and counts all', async () => {
    const alarms = () => lines.filter(({ level }) => level === 'error');
    const refused = (sender: string, failure: Failure) =>
      events.reached({ channel: 'sms', sender, status: 'failed', failure, queuedAt: null });
    for (let message = 0; message < 100; message += 1) refused('twilio', NO_CREDIT);
    refused('http', NO_CREDIT);
    refused('twilio', { ...NO_CREDIT, code: '20005' });

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
    refused('twilio', NO_CREDIT);
    expect(alarms()).toHaveLength(3);

    jest.advanceTimersByTime(1);
    refused('twilio', NO_CREDIT);
    expect(alarms()).toHaveLength(4);
  });

  it('says once a minute why messages wait, and counts how often', async () => {
    for (let message = 0; message < 10; message += 1) events.deferred('twilio', 'ECONNREFUSED');
    events.deferred('twilio', '20429');

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
    return (await messagingMetrics.metrics()).split('\n');
  }
});
