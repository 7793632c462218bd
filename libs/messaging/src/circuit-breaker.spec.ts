import type { PhoneNumber } from '#phone';
import { GuardedSender } from './circuit-breaker.js';
import {
  type Message,
  MessageSender,
  type Receipt,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-sender.js';

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

const away = () => new SendDeferred('ECONNREFUSED');
const throttled = () => new SendDeferred('http_429', 1_000, 'throttled');
const unknown = () => new SendOutcomeUnknown('timeout');
const badNumber = () => refusal('21211', 'bad_number');
const noCredit = () => refusal('account', 'account');
const suspended = () => refusal('20003', 'outage');

class FakeSender extends MessageSender {
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

describe('GuardedSender', () => {
  let driver: FakeSender;
  let guarded: GuardedSender;
  let changes: boolean[];

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    driver = new FakeSender();
    changes = [];
    guarded = new GuardedSender(driver, (isOpen) => changes.push(isOpen));
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('is the sender that it guards', async () => {
    expect([guarded.name, guarded.channels]).toEqual(['http', ['sms', 'call']]);
    await expect(guarded.send(MESSAGE)).resolves.toBe(RECEIPT);

    await guarded.confirm('an-id');

    expect(driver.confirmed).toEqual(['an-id']);
  });

  it.each([away, throttled, unknown, badNumber, suspended])(
    'passes on what the sender said (case %#)',
    async (failure) => {
      const error = failure();
      driver.answer = () => error;

      await expect(guarded.send(MESSAGE)).rejects.toBe(error);
    },
  );

  it.each([
    ['nobody is there', away],
    ['nobody knows what became of them', unknown],
  ])('opens when of twenty messages half fail because %s', async (_, failure) => {
    await sendAll(() => RECEIPT, 10);
    await sendAll(failure, 9);
    expect(changes).toEqual([]);

    await sendAll(failure, 1);

    expect(changes).toEqual([true]);
  });

  it.each([
    ['nobody sends enough to tell', away, 19, 0],
    ['most arrive', away, 19, 21],
    ['the provider asks for fewer', throttled, 100, 0],
    ['the numbers are bad', badNumber, 100, 0],
    ['somebody has to mend the account for some countries', noCredit, 100, 0],
  ])('stays closed when %s', async (_, failure, failures, successes) => {
    await sendAll(() => RECEIPT, successes);
    await sendAll(failure, failures);

    expect(changes).toEqual([]);
    expect(driver.calls).toBe(failures + successes);
  });

  it('counts whoever refuses as there', async () => {
    await sendAll(badNumber, 30);
    await sendAll(away, 20);

    expect(changes).toEqual([]);
  });

  it('forgets failures of long ago', async () => {
    for (let second = 0; second < 15; second += 1) {
      await sendAll(away, 1);
      jest.advanceTimersByTime(1_000);
    }
    await sendAll(away, 5);

    expect(changes).toEqual([]);
  });

  it('opens at once when the provider itself says that nothing goes through', async () => {
    await sendAll(() => RECEIPT, 100);
    await sendAll(suspended, 1);

    expect(changes).toEqual([true]);
  });

  describe('once open', () => {
    beforeEach(async () => {
      await sendAll(suspended, 1);
      driver.calls = 0;
      driver.answer = () => RECEIPT;
    });

    it('says at once when to come again, and asks nobody', async () => {
      jest.advanceTimersByTime(4_000);

      const error = await failureOf(guarded.send(MESSAGE));

      expect({ ...error }).toEqual({ ...new SendDeferred('circuit_open', PAUSE_MS - 4_000) });
      expect(error).toBeInstanceOf(SendDeferred);
      expect(driver.calls).toBe(0);
    });

    it('still confirms', async () => {
      await guarded.confirm('an-id');

      expect(driver.confirmed).toEqual(['an-id']);
    });

    it('closes when a message goes through after the pause', async () => {
      jest.advanceTimersByTime(PAUSE_MS);

      await expect(guarded.send(MESSAGE)).resolves.toBe(RECEIPT);

      expect(changes).toEqual([true, false]);
      await sendAll(() => RECEIPT, 5);
      expect(driver.calls).toBe(6);
    });

    it.each([badNumber, throttled])(
      'closes too when the answer shows that somebody is there (case %#)',
      async (answer) => {
        jest.advanceTimersByTime(PAUSE_MS);

        await sendAll(answer, 1);

        expect(changes).toEqual([true, false]);
      },
    );

    it.each([away, unknown, suspended])(
      'stays open when the trial fails, which is no news (case %#)',
      async (failure) => {
        jest.advanceTimersByTime(PAUSE_MS);
        await sendAll(failure, 1);
        jest.advanceTimersByTime(PAUSE_MS - 1);

        const error = await failureOf(guarded.send(MESSAGE));

        expect({ ...error }).toEqual({ ...new SendDeferred('circuit_open', 1) });
        expect(driver.calls).toBe(1);
        expect(changes).toEqual([true]);
      },
    );

    it('tries with one message only, and lets nobody wait for it', async () => {
      let arrive: (receipt: Receipt) => void = () => {};
      driver.answer = () =>
        new Promise((resolve) => {
          arrive = resolve;
        });
      jest.advanceTimersByTime(PAUSE_MS);

      const trial = guarded.send(MESSAGE);
      const errors = await Promise.all(Array.from({ length: 20 }, () => failureOf(guarded.send(MESSAGE))));

      expect(new Set(errors.map((error) => (error as SendDeferred).reason))).toEqual(
        new Set(['circuit_open']),
      );
      expect(driver.calls).toBe(1);
      arrive(RECEIPT);
      await trial;
      expect(changes).toEqual([true, false]);
    });

    it('starts to count anew once it is closed', async () => {
      jest.advanceTimersByTime(PAUSE_MS);
      await sendAll(() => RECEIPT, 1);

      await sendAll(away, 10);

      expect(changes).toEqual([true, false]);
    });
  });

  async function sendAll(answer: () => Receipt | Error, count: number): Promise<void> {
    driver.answer = answer;
    for (let sent = 0; sent < count; sent += 1) await guarded.send(MESSAGE).catch(() => {});
  }
});

function refusal(code: string, means: 'bad_number' | 'account' | 'outage'): SendRefused {
  return new SendRefused({ code, reason: 'provider', cure: 'another_sender', means });
}

async function failureOf(send: Promise<unknown>): Promise<Error> {
  return send.then(
    () => Promise.reject(new Error('the message was taken')),
    (error: Error) => error,
  );
}
