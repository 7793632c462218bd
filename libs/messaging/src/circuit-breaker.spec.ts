import type { PhoneNumber } from '#phone';
import { failureOf } from '../../../test/support/failure.js';
import { GuardedProvider } from './circuit-breaker.js';
import {
  type Message,
  MessageProvider,
  type Receipt,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-provider.js';

const MESSAGE: Message = {
  to: '+14155550123' as PhoneNumber,
  channel: 'sms',
  body: '739145 is your code',
  code: '739145',
  locale: 'en',
  validForSeconds: 300,
  reference: 'a-reference',
};

const RECEIPT: Receipt = { providerId: 'a-reference', status: 'sent' };

const PAUSE_MS = 10_000;

const unreachable = () => new SendDeferred('ECONNREFUSED');
const throttled = () => new SendDeferred('http_429', 1_000, 'throttled');
const outcomeUnknown = () => new SendOutcomeUnknown('timeout');
const badNumber = () => refusal('21211');
const accountFault = () => refusal('account', 'account');
const reportedOutage = () => refusal('20003', 'outage');

class FakeProvider extends MessageProvider {
  readonly name = 'http';
  readonly channels = ['sms', 'call'] as const;
  readonly confirmed: string[] = [];
  calls = 0;
  answer: () => Receipt | Promise<Receipt> | Error = () => RECEIPT;

  async send(): Promise<Receipt> {
    this.calls += 1;
    const answer = await this.answer();
    if (answer instanceof Error) throw answer;
    return answer;
  }

  override async confirm(providerId: string): Promise<void> {
    this.confirmed.push(providerId);
  }
}

describe('GuardedProvider', () => {
  let provider: FakeProvider;
  let guarded: GuardedProvider;
  let changes: boolean[];

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    provider = new FakeProvider();
    changes = [];
    guarded = new GuardedProvider(provider, (isOpen) => changes.push(isOpen));
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('has the name, the channels and the receipts of the provider, and passes on a confirmation', async () => {
    expect([guarded.name, guarded.channels]).toEqual(['http', ['sms', 'call']]);
    await expect(guarded.send(MESSAGE)).resolves.toBe(RECEIPT);

    await guarded.confirm('an-id');

    expect(provider.confirmed).toEqual(['an-id']);
  });

  it.each([
    ['an unreachable provider', unreachable],
    ['a throttled request', throttled],
    ['an unknown outcome', outcomeUnknown],
    ['a bad number', badNumber],
    ['a reported outage', reportedOutage],
  ])('throws the same error as the provider for %s', async (_, failure) => {
    const error = failure();
    provider.answer = () => error;

    await expect(guarded.send(MESSAGE)).rejects.toBe(error);
  });

  it.each([
    ['with an unreachable provider', unreachable],
    ['with an unknown outcome', outcomeUnknown],
  ])('opens when half of twenty messages fail %s', async (_, failure) => {
    await sendAll(() => RECEIPT, 10);
    await sendAll(failure, 9);
    expect(changes).toEqual([]);

    await sendAll(failure, 1);

    expect(changes).toEqual([true]);
  });

  it.each([
    ['there are fewer than twenty messages', unreachable, 19, 0],
    ['more than half of the messages are accepted', unreachable, 19, 21],
    ['the provider throttles the requests', throttled, 100, 0],
    ['the numbers are bad', badNumber, 100, 0],
    ['the account may not send to some countries', accountFault, 100, 0],
  ])('stays closed when %s', async (_, failure, failures, successes) => {
    await sendAll(() => RECEIPT, successes);
    await sendAll(failure, failures);

    expect(changes).toEqual([]);
    expect(provider.calls).toBe(failures + successes);
  });

  it('counts a refusal as an answer, not as a failure', async () => {
    await sendAll(badNumber, 30);
    await sendAll(unreachable, 20);

    expect(changes).toEqual([]);
  });

  it('forgets a failure after ten seconds', async () => {
    for (let second = 0; second < 15; second += 1) {
      await sendAll(unreachable, 1);
      jest.advanceTimersByTime(1_000);
    }
    await sendAll(unreachable, 5);

    expect(changes).toEqual([]);
  });

  it('opens at once when the provider reports an outage', async () => {
    await sendAll(() => RECEIPT, 100);
    await sendAll(reportedOutage, 1);

    expect(changes).toEqual([true]);
  });

  describe('while the circuit is open', () => {
    beforeEach(async () => {
      await sendAll(reportedOutage, 1);
      provider.calls = 0;
      provider.answer = () => RECEIPT;
    });

    it('defers a message until the probe without calling the provider', async () => {
      jest.advanceTimersByTime(4_000);

      const error = await failureOf(guarded.send(MESSAGE));

      expect({ ...error }).toEqual({ ...new SendDeferred('circuit_open', PAUSE_MS - 4_000) });
      expect(error).toBeInstanceOf(SendDeferred);
      expect(provider.calls).toBe(0);
    });

    it('still passes on a confirmation', async () => {
      await guarded.confirm('an-id');

      expect(provider.confirmed).toEqual(['an-id']);
    });

    it('closes when a message is accepted after the pause', async () => {
      jest.advanceTimersByTime(PAUSE_MS);

      await expect(guarded.send(MESSAGE)).resolves.toBe(RECEIPT);

      expect(changes).toEqual([true, false]);
      await sendAll(() => RECEIPT, 5);
      expect(provider.calls).toBe(6);
    });

    it.each([
      ['a bad number', badNumber],
      ['a throttled request', throttled],
    ])('closes when the provider answers the probe with %s', async (_, answer) => {
      jest.advanceTimersByTime(PAUSE_MS);

      await sendAll(answer, 1);

      expect(changes).toEqual([true, false]);
    });

    it.each([
      ['an unreachable provider', unreachable],
      ['an unknown outcome', outcomeUnknown],
      ['a reported outage', reportedOutage],
    ])('stays open without a new notice when the probe fails with %s', async (_, failure) => {
      jest.advanceTimersByTime(PAUSE_MS);
      await sendAll(failure, 1);
      jest.advanceTimersByTime(PAUSE_MS - 1);

      const error = await failureOf(guarded.send(MESSAGE));

      expect({ ...error }).toEqual({ ...new SendDeferred('circuit_open', 1) });
      expect(provider.calls).toBe(1);
      expect(changes).toEqual([true]);
    });

    it('probes with one message and defers the others meanwhile', async () => {
      let accept: (receipt: Receipt) => void = () => {};
      provider.answer = () =>
        new Promise((resolve) => {
          accept = resolve;
        });
      jest.advanceTimersByTime(PAUSE_MS);

      const probe = guarded.send(MESSAGE);
      const errors = await Promise.all(Array.from({ length: 20 }, () => failureOf(guarded.send(MESSAGE))));

      expect(new Set(errors.map((error) => (error as SendDeferred).reason))).toEqual(
        new Set(['circuit_open']),
      );
      expect(provider.calls).toBe(1);
      accept(RECEIPT);
      await probe;
      expect(changes).toEqual([true, false]);
    });

    it('forgets earlier failures when it closes', async () => {
      jest.advanceTimersByTime(PAUSE_MS);
      await sendAll(() => RECEIPT, 1);

      await sendAll(unreachable, 10);

      expect(changes).toEqual([true, false]);
    });
  });

  async function sendAll(answer: () => Receipt | Error, count: number): Promise<void> {
    provider.answer = answer;
    for (let sent = 0; sent < count; sent += 1) await guarded.send(MESSAGE).catch(() => {});
  }
});

function refusal(code: string, means?: 'account' | 'outage'): SendRefused {
  return new SendRefused({ code, reason: 'provider', recovery: 'another_provider', means });
}
