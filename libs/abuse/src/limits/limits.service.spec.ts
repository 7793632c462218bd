import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Registry } from 'prom-client';
import { RateLimited, Unavailable } from '#errors';
import { Keys, nameSecret } from '#keys';
import { Database } from '#postgres';
import { openBreakablePostgres } from '../../../../test/support/breakable-stores.js';
import { TcpProxy } from '../../../../test/support/proxy.js';
import { times } from '../../../../test/support/repeat.js';
import { waitFor } from '../../../../test/support/wait.js';
import { AbuseEvents } from '../abuse-events.js';
import type { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { ProofOfWork } from '../pumping/proof-of-work.js';
import { StepUpService } from '../pumping/step-up.service.js';
import { SharedState } from '../state/shared-state.js';
import { StateStore } from '../state/state-store.postgres.js';
import { coolDownMs, type LimitPolicy, LimitsService } from './limits.service.js';
import type { Windows } from './windows.js';

Logger.overrideLogger(false);

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A store on its server, with direct access to the server. */
interface Opened {
  readonly store: StateStore;
  readonly wire: TcpProxy;
  /** Returns the keys of all states, with the milliseconds until they expire. */
  counts(): Promise<[key: string, expiresInMs: number][]>;
  /** Brings the expiry of all counts nearer. */
  age(ms: number): Promise<unknown>;
  close(): Promise<void>;
}

const someNumber = () => randomBytes(32).toString('base64url');

/** The limits of one process, with decisions on nothing else. */
class Limits extends LimitsService {
  constructor(
    private readonly states: SharedState,
    policy: LimitPolicy,
    events: AbuseEvents,
  ) {
    super(states, policy, events);
  }

  async requireMessage(key: string, client: string): Promise<{ contested: boolean }> {
    const { reached, contested } = await this.states.decide(this.keysOf(key, client), (draft) => {
      return { reached: this.reachedBy(draft, key, client), contested: this.isContested(draft, key) };
    });
    const refusal = this.refusalAmong(reached);
    if (refusal) this.enforce([refusal], {});
    return { contested };
  }

  async admitMessage(key: string, details = {}): Promise<{ resendAfterMs: number; contested: boolean }> {
    const decision = await this.states.decide(this.keysOf(key, ''), (draft) => {
      const reached = this.reachedBy(draft, key, '');
      const contested = this.isContested(draft, key);
      if (this.refusalAmong(reached)) return { reached, contested, resendAfterMs: 0 };
      return { reached, contested, resendAfterMs: this.countMessage(draft, key) };
    });
    this.enforce(decision.reached, details);
    return decision;
  }

  async endContest(key: string): Promise<void> {
    await this.states.decide([this.keyOfContest(key)], (draft) => this.clearContest(draft, key));
  }
}

describe('coolDownMs', () => {
  it.each([
    [0, 30_000],
    [1, 60_000],
    [2, 120_000],
    [3, 120_000],
    [1_000, 120_000],
  ])('returns for a number that had %d messages a cool-down of %d ms', (messages, waitMs) => {
    expect(coolDownMs({ coolDownsMs: [30_000, 60_000, 120_000] }, messages)).toBe(waitMs);
  });
});

describe('LimitsService', () => {
  let server: Opened;

  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server.close());

  const events = new AbuseEvents(new Registry(), { trial: false });
  const recorded = jest.spyOn(events, 'record');
  beforeEach(() => recorded.mockClear());

  const policyWith = (overrides: Partial<LimitPolicy>): LimitPolicy => ({
    coolDownsMs: [HOUR],
    sendsPerNumber: [
      { points: 5, seconds: 600 },
      { points: 10, seconds: 86_400 },
    ],
    sendsPerAddress: [{ points: 30, seconds: 600 }],
    checksPerAddress: [{ points: 60, seconds: 600 }],
    clients: [],
    contestedSends: 3,
    monitored: [],
    ...overrides,
  });
  const limitsWith = (overrides: Partial<LimitPolicy>) =>
    new Limits(new SharedState(server.store), policyWith(overrides), events);
  const limitsOf = (...coolDownsMs: number[]) => limitsWith({ coolDownsMs });
  const refusalOf = (answer: Promise<unknown>) =>
    answer.then(
      () => null,
      (error: RateLimited) => error,
    );
  const rejection = (limits: Limits, number: string) => refusalOf(limits.admitMessage(number));
  const waitOf = async (message: Promise<{ resendAfterMs: number }>) => (await message).resendAfterMs;

  it('makes a number wait longer after each message', async () => {
    const limits = limitsOf(1_000, 2_000, HOUR);
    const number = someNumber();
    const admit = () => waitFor('an admission', () => waitOf(limits.admitMessage(number)).catch(() => null));

    const start = Date.now();
    expect(await admit()).toBeLessThanOrEqual(1_000);
    const second = await admit();
    expect(Date.now() - start).toBeGreaterThanOrEqual(1_000);
    expect(second).toBeGreaterThan(1_000);
    expect(second).toBeLessThanOrEqual(2_000);
    const third = await admit();
    expect(Date.now() - start).toBeGreaterThanOrEqual(3_000);
    expect(third).toBeGreaterThan(2_000);
    expect(third).toBeLessThanOrEqual(HOUR);
  });

  it('does not count refused messages', async () => {
    const limits = limitsOf(HOUR / 4, HOUR / 2, HOUR);
    const number = someNumber();
    await limits.admitMessage(number);
    for (let i = 0; i < 10; i += 1) expect(await rejection(limits, number)).toBeInstanceOf(RateLimited);
    await server.age(HOUR / 4);
    expect(await waitOf(limits.admitMessage(number))).toBeLessThanOrEqual(HOUR / 2);
  });

  it('admits one of fifty concurrent messages to a number', async () => {
    const limits = limitsOf(HOUR);
    const number = someNumber();
    const rejections = await Promise.all(times(50, () => rejection(limits, number)));
    expect(rejections.filter((error) => error === null)).toHaveLength(1);
    expect(rejections.filter((error) => error instanceof RateLimited)).toHaveLength(49);
  });

  it('names the limit that was reached, and the seconds left', async () => {
    const limits = limitsOf(HOUR);
    const number = someNumber();
    const waitMs = await waitOf(limits.admitMessage(number));
    const refusal = await rejection(limits, number);
    expect(refusal).toBeInstanceOf(RateLimited);
    expect(refusal?.limit).toBe('cool_down');
    expect(refusal?.retryAfterSeconds).toBeGreaterThan(3_000);
    expect(refusal?.retryAfterSeconds).toBeLessThanOrEqual(Math.ceil(waitMs / 1_000));
    expect(refusal?.extensions).toEqual({ limit: 'cool_down', retry_after: refusal?.retryAfterSeconds });
  });

  it('counts each number on its own', async () => {
    const limits = limitsOf(HOUR);
    await limits.admitMessage(someNumber());
    expect(await waitOf(limits.admitMessage(someNumber()))).toBeLessThanOrEqual(HOUR);
  });

  it('shares its counts between processes', async () => {
    const number = someNumber();
    await limitsOf(HOUR).admitMessage(number);
    expect(await rejection(limitsOf(HOUR), number)).toBeInstanceOf(RateLimited);
  });

  it('restarts with the shortest cool-down after an hour without a message', async () => {
    const limits = limitsOf(1_000, 2_000);
    const number = someNumber();
    await limits.admitMessage(number);
    await server.age(HOUR);
    expect(await waitOf(limits.admitMessage(number))).toBeLessThanOrEqual(1_000);
  });

  it('stores no phone number, and nothing for longer than a day', async () => {
    const number = '+14155550123';
    const key = new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test')).phoneIndexOf(
      number,
    );
    await limitsOf(HOUR).admitMessage(key);
    const counts = await server.counts();
    expect(JSON.stringify(counts)).not.toContain(number.slice(1));
    const ours = counts.filter(([name]) => name.includes(key));
    expect(ours).toHaveLength(1);
    for (const [, expiresInMs] of ours) {
      expect(expiresInMs).toBeGreaterThan(0);
      expect(expiresInMs).toBeLessThanOrEqual(DAY);
    }
  });

  it('purges expired counts only', async () => {
    const [expired, waiting] = [someNumber(), someNumber()];
    await limitsOf(HOUR).admitMessage(expired);
    await server.age(DAY);
    await limitsOf(HOUR).admitMessage(waiting);
    await server.store.purge();
    const keys = (await server.counts()).map(([key]) => key);
    expect(keys.filter((key) => key.includes(expired))).toEqual([]);
    expect(keys.filter((key) => key.includes(waiting))).toHaveLength(1);
    expect(await rejection(limitsOf(HOUR), waiting)).toBeInstanceOf(RateLimited);
  });

  /** Admits messages with this interval between them. */
  async function admitEvery(ms: number, limits: Limits, number: string, messages: number) {
    for (let i = 0; i < messages; i += 1) {
      await limits.admitMessage(number);
      await server.age(ms);
    }
  }

  describe('sends_per_number', () => {
    const short = { coolDownsMs: [1_000] };

    it.each([
      [5, 2_000, 600],
      [10, 130_000, 86_400],
    ])('admits %d messages at intervals of %d ms within %d s', async (messages, everyMs, seconds) => {
      const [limits, number] = [limitsWith(short), someNumber()];
      await admitEvery(everyMs, limits, number, messages);
      const refusal = await rejection(limits, number);
      expect(refusal).toMatchObject({ limit: 'sends_per_number' });
      const leftMs = seconds * 1_000 - messages * everyMs;
      expect(refusal?.retryAfterSeconds).toBeLessThanOrEqual(Math.ceil(leftMs / 1_000));
      expect(refusal?.retryAfterSeconds).toBeGreaterThan(leftMs / 1_000 - 15);
      expect(await rejection(limits, someNumber())).toBeNull();
      await server.age(leftMs);
      expect(await rejection(limits, number)).toBeNull();
    });

    it('does not start a cool-down for a refused message', async () => {
      const strict = limitsWith({ sendsPerNumber: [{ points: 0, seconds: 60 }] });
      const other = someNumber();
      expect(await rejection(strict, other)).toMatchObject({ limit: 'sends_per_number' });
      expect(await rejection(limitsOf(HOUR), other)).toBeNull();
    });
  });

  describe.each([
    ['sends_per_address', 30],
    ['checks_per_address', 60],
  ] as const)('%s', (limit, points) => {
    it(`admits ${points} concurrent requests of a client, and more after ten minutes`, async () => {
      const [limits, client, other] = [limitsOf(HOUR), someNumber(), someNumber()];
      const admit = (who: string) => refusalOf(limits.admitAddress(limit, who));
      const refusals = await Promise.all(times(points + 10, () => admit(client)));
      expect(refusals.filter((error) => error === null)).toHaveLength(points);
      const refusal = refusals.find((error) => error !== null);
      expect(refusal).toMatchObject({ limit });
      expect(refusal?.retryAfterSeconds).toBeGreaterThan(580);
      expect(refusal?.retryAfterSeconds).toBeLessThanOrEqual(600);
      expect(await admit(other)).toBeNull();
      await server.age(600_000);
      expect(await admit(client)).toBeNull();
    });
  });

  it('checks a message and an address without counting them', async () => {
    const limits = limitsWith({
      ...{ coolDownsMs: [HOUR], contestedSends: 1 },
      sendsPerAddress: [{ points: 1, seconds: 600 }],
    });
    const [number, client] = [someNumber(), someNumber()];
    const stored = async () =>
      (await server.counts()).filter(([key]) => key.includes(number) || key.includes(client)).length;
    const refusal = (of: string, from: string) => refusalOf(limits.requireMessage(of, from));
    for (let i = 0; i < 3; i += 1)
      expect(await limits.requireMessage(number, client)).toEqual({ contested: false });
    expect(await stored()).toBe(0);
    await limits.admitMessage(number);
    await limits.admitAddress('sends_per_address', client);
    const before = await stored();
    expect(await refusal(number, someNumber())).toMatchObject({ limit: 'cool_down' });
    expect(await refusal(someNumber(), client)).toMatchObject({ limit: 'sends_per_address' });
    expect(await stored()).toBe(before);
    const monitored = limitsWith({ monitored: ['cool_down'], contestedSends: 1 });
    expect(await monitored.requireMessage(number, someNumber())).toEqual({ contested: true });
    expect(recorded).not.toHaveBeenCalledWith('would_refuse', expect.anything());
  });

  it('marks a number as contested after three unverified messages in a day, until a code is typed in', async () => {
    const [limits, number] = [limitsOf(1_000), someNumber()];
    const isContested = async () => {
      const { contested } = await limits.admitMessage(number);
      await server.age(120_000);
      return contested;
    };
    expect([await isContested(), await isContested(), await isContested()]).toEqual([false, false, false]);
    expect(await isContested()).toBe(true);
    await limits.endContest(number);
    expect(await isContested()).toBe(false);
  });

  it('lets exactly one of twenty concurrent callers use a proof', async () => {
    const [one, other] = [new SharedState(server.store), new SharedState(server.store)] as const;
    const keys = new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test'));
    const stepUp = new StepUpService(new ProofOfWork(keys), events, new Clock(), {} as AbuseOptions);
    const proof = { id: someNumber(), expiresAt: Date.now() + 60_000 };
    const use = (state: SharedState) =>
      state.decide(stepUp.keysOf(proof), (draft) => {
        const isFirst = !stepUp.isUsed(draft, proof);
        stepUp.use(draft, proof);
        return isFirst;
      });
    const first = await Promise.all(times(20, (i) => use(i % 2 ? one : other)));
    expect(first.filter(Boolean)).toHaveLength(1);
    const ours = (await server.counts()).filter(([key]) => key.includes(proof.id));
    expect(ours).toHaveLength(1);
    expect(ours[0]?.[1]).toBeLessThanOrEqual(60_000);
  });

  describe('a monitored limit', () => {
    it('refuses nothing, and records what it would have refused', async () => {
      const none = [{ points: 1, seconds: 600 }];
      const monitored = ['cool_down', 'sends_per_number', 'sends_per_address', 'checks_per_address'] as const;
      const limits = limitsWith({
        sendsPerNumber: none,
        sendsPerAddress: none,
        checksPerAddress: none,
        clients: [],
        monitored,
      });
      const number = someNumber();
      for (let i = 0; i < 2; i += 1) {
        await limits.admitMessage(number, { about: 'it' });
        await limits.admitAddress('sends_per_address', number);
        await limits.admitAddress('checks_per_address', number);
      }
      const names = recorded.mock.calls.map(([event, { name }]) => `${event} ${name}`);
      expect(names.sort()).toEqual(monitored.map((name) => `would_refuse ${name}`).sort());
      const line = { name: 'cool_down', about: 'it', retry_after: expect.any(Number) };
      expect(recorded).toHaveBeenCalledWith('would_refuse', line);
    });

    it('does not affect the other limits', async () => {
      const [limits, number] = [limitsWith({ monitored: ['sends_per_number'] }), someNumber()];
      await limits.admitMessage(number);
      expect(await rejection(limits, number)).toMatchObject({ limit: 'cool_down' });
      expect(recorded).toHaveBeenCalledWith('refused', expect.objectContaining({ name: 'cool_down' }));
    });
  });

  it('admits no request while its server is unreachable', async () => {
    const unreachable = await open();
    const limits = new Limits(
      new SharedState(unreachable.store),
      policyWith({ coolDownsMs: [1_000] }),
      events,
    );
    const number = someNumber();
    await limits.admitMessage(number);
    unreachable.wire.cut();
    expect(await rejection(limits, number)).toBeInstanceOf(Unavailable);
    expect(await rejection(limits, someNumber())).toBeInstanceOf(Unavailable);
    const others = [
      limits.admitAddress('sends_per_address', 'client'),
      limits.endContest(number),
      limits.usedBy(number),
    ];
    for (const answer of others) await expect(answer).rejects.toThrow(Unavailable);
    await unreachable.close();
  });
});

/** Returns the windows with their ends brought nearer. */
function aged(text: string, ms: number): string {
  const windows = Object.entries(JSON.parse(text) as Windows).map(([name, [points, endsAt]]) => {
    return [name, [points, endsAt - ms]];
  });
  return JSON.stringify(Object.fromEntries(windows));
}

async function open(): Promise<Opened> {
  const { database, wire, source, close } = await openBreakablePostgres();
  const rows = () =>
    database.query<{ key: string; state: string; life: number }>(
      `select key, state, extract(epoch from expires_at - clock_timestamp())::float8 * 1000 as life
         from abuse_states where expires_at > clock_timestamp()`,
    );
  return {
    wire,
    store: new StateStore(new Database(source)),
    counts: async () => (await rows()).map(({ key, life }) => [key, life]),
    age: async (ms) => {
      for (const { key, state } of await rows())
        if (key.startsWith('limits:'))
          await database.query(
            `update abuse_states set state = $2, expires_at = expires_at - $3 * interval '1 ms' where key = $1`,
            [key, aged(state, ms), ms],
          );
    },
    close,
  };
}
