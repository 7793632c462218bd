import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { AppError, ProofOfWorkRequired } from '#errors';
import { Keys, nameSecret } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { policyWith } from '../../../../test/support/breaker-traffic.js';
import { freshDatabase } from '../../../../test/support/databases.js';
import { solve } from '../../../../test/support/proof.js';
import { times } from '../../../../test/support/repeat.js';
import { isFullScale } from '../../../../test/support/scale.js';
import { AbuseEvents } from '../abuse-events.js';
import type { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { DeviceTokens } from '../guessing/device-tokens.js';
import { GuessPolicyService } from '../guessing/guess-policy.service.js';
import { KnownDevicesService } from '../guessing/known-devices.service.js';
import { LimitsService } from '../limits/limits.service.js';
import { DEFAULT_POLICY } from '../policy.js';
import { SharedState } from '../state/shared-state.js';
import { StateStore } from '../state/state-store.postgres.js';
import { AdmissionService } from './admission.service.js';
import { BreakerService } from './breaker.service.js';
import { readPrices } from './prices.js';
import { ProofOfWork } from './proof-of-work.js';
import type { ScopeState } from './scope-state.js';
import { SendPolicyService } from './send-policy.service.js';
import { SpendingService } from './spending.service.js';
import { StepUpService } from './step-up.service.js';

Logger.overrideLogger(false);

const SMS = { channel: 'sms', provider: 'twilio' } as const;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const STARTED = Date.UTC(2030, 0, 1, 12);
const SEEDS = isFullScale ? [1, 2, 3] : [1];
/** An attack of 60,000 requests in an hour. */
const ATTACK_EVERY_MS = 60;
/** Requests within one step are concurrent. */
const STEP_MS = 2 * SECOND;

/** One genuine requester, or one request of an attacker. Attackers type in no codes. */
interface Arrival {
  readonly at: number;
  readonly number: string;
  readonly address: string;
  readonly genuine: boolean;
  readonly known?: boolean;
  readonly typesCode?: boolean;
}

interface Tally {
  readonly genuine: { offered: number; sent: number };
  readonly attack: { offered: number; paid: number };
}

/** Runs the scenarios of docs/abuse.md on a real store, at a small scale. `npm run simulate` runs them at full scale. */
describe('SendPolicyService', () => {
  let server: Opened;
  beforeAll(async () => {
    server = await openStore();
  });
  afterAll(() => server.close());
  beforeEach(() => server.clear());

  it('counts a message in the breaker only if its price could be spent', async () => {
    const { sendPolicy } = server.sendPolicy({ caps: { perDay: 0.03, perCountry: 1 } });
    const asked = times(12, (i) => admitted(sendPolicy, `+1212555010${i % 10}`, `192.0.${i}.1`, false));
    const sent = (await Promise.all(asked)).filter((ticket) => ticket !== null);
    expect(sent.length).toBeLessThan(5);
    expect(await server.unsettled('country:US')).toBe(sent.length);
  });

  it('repeats a refusal by a limit for a second without asking the database', async () => {
    const { sendPolicy, clock } = server.sendPolicy({}, 60 * MINUTE);
    const isKnownNumber = jest.fn(async () => false);
    const ask = (address = '192.0.2.1', deviceToken: string | null = null) =>
      sendPolicy.admit(
        '+12125550123' as PhoneNumber,
        { ...requesterAt(address), deviceToken },
        { device: null, isKnownNumber, routes: [SMS] },
      );
    await ask();
    isKnownNumber.mockClear();
    for (let i = 0; i < 3; i += 1) await expect(ask()).rejects.toMatchObject({ limit: 'cool_down' });
    expect(isKnownNumber).toHaveBeenCalledTimes(1);
    await expect(ask('192.0.2.2')).rejects.toMatchObject({ limit: 'cool_down' });
    await expect(ask('192.0.2.1', 'a device')).rejects.toMatchObject({ limit: 'cool_down' });
    expect(isKnownNumber).toHaveBeenCalledTimes(3);
    clock.time += SECOND;
    await expect(ask()).rejects.toMatchObject({ limit: 'cool_down' });
    expect(isKnownNumber).toHaveBeenCalledTimes(4);
  });

  it('deletes expired states only', async () => {
    const { sendPolicy } = server.sendPolicy();
    await admitted(sendPolicy, '+12125550123', '192.0.2.1', false);
    await server.expire('country:US');
    await sendPolicy.purge();
    expect([await server.unsettled('country:US'), await server.unsettled('system')]).toEqual([null, 1]);
    expect(await server.isStored('country:US')).toBe(false);
  });

  it('stores no scope state for a message that is refused', async () => {
    const policy = policyWith({ country: { pending: 0 } });
    const { sendPolicy } = server.sendPolicy({ policy });
    expect(await admitted(sendPolicy, '+12125550123', '192.0.2.1', false)).toBeNull();
    expect(await server.unsettled('country:US')).toBeNull();
  });

  describe('admits a fallback', () => {
    const number = '+12125550123' as PhoneNumber;
    const asked = { device: null, isKnownNumber: async () => false, routes: [SMS] as const };

    it('until a money cap is reached', async () => {
      const { sendPolicy } = server.sendPolicy({ caps: { perDay: 1, perCountry: 0.02 } });
      const { ticket } = await sendPolicy.admit(number, requesterAt('192.0.2.1'), asked);
      expect(await sendPolicy.admitFallback(number, { device: null, tickets: [ticket] }, SMS)).not.toBeNull();
      expect(await sendPolicy.admitFallback(number, { device: null, tickets: [ticket] }, SMS)).toBeNull();
    });

    it('unless a scope of its verification is blocked', async () => {
      const { sendPolicy } = server.sendPolicy();
      const { ticket } = await sendPolicy.admit(number, requesterAt('192.0.2.1'), asked);
      expect(await sendPolicy.admitFallback(number, { device: null, tickets: [ticket] }, SMS)).not.toBeNull();
      await sendPolicy.reportFraud([ticket]);
      // The address trips with its next message.
      expect(await admitted(sendPolicy, '+12125550124', '192.0.2.1', false)).toBeNull();
      expect(await sendPolicy.admitFallback(number, { device: null, tickets: [ticket] }, SMS)).toBeNull();
      const other = await sendPolicy.admit('+13105550123' as PhoneNumber, requesterAt('198.51.100.1'), asked);
      const elsewhere = { device: null, tickets: [other.ticket] };
      expect(await sendPolicy.admitFallback('+13105550123' as PhoneNumber, elsewhere, SMS)).not.toBeNull();
    });
  });

  it.each(SEEDS)('admits a burst of genuine sign-ins of new numbers (seed %d)', async (seed) => {
    const random = randomOf(seed);
    const requesters = times(300, () => genuine(random, random() * 3 * MINUTE));
    const tally = await play(server.sendPolicy(), requesters);
    expect(tally.genuine.sent).toBe(tally.genuine.offered);
  });

  it.each(SEEDS)(
    'stops an attack on five number ranges, and admits known numbers in them (seed %d)',
    async (seed) => {
      const random = randomOf(seed);
      const attack = times(600, (i) => attackAt(random, i, `+1212${555 + Math.floor(i / 120)}`, 4));
      const owners = times(60, (i) => ({
        ...genuine(random, 20 * SECOND + random() * 30 * SECOND),
        number: `+1212${555 + (i % 5)}${digits(random, 4)}`,
        known: true,
      }));
      const others = times(100, () => genuine(random, random() * 36 * SECOND));
      const known = await play(server.sendPolicy(), [...attack, ...owners, ...others]);
      expect(known.attack.paid).toBeLessThanOrEqual(150);
      expect(known.genuine.sent).toBe(known.genuine.offered);
    },
  );

  it.each(SEEDS)('stops an attack on random numbers of the home country (seed %d)', async (seed) => {
    const random = randomOf(seed);
    // A tenth of the country's limits for a tenth of the requests.
    const country = { ...DEFAULT_POLICY.breaker.country, lose: 30, pending: 60 };
    const policy = { ...DEFAULT_POLICY, breaker: { ...DEFAULT_POLICY.breaker, country } };
    const attack = times(500, (i) => {
      return {
        ...attackAt(random, i, `+1${area(random)}${digits(random, 3)}`, 4),
        at: i * 10 * ATTACK_EVERY_MS,
      };
    });
    const { attack: pumped } = await play(server.sendPolicy({ policy }), attack);
    expect(pumped.paid).toBeLessThanOrEqual(200);
    expect(pumped.paid).toBeGreaterThan(0);
  });

  it('admits no message to a country that is not allowed', async () => {
    const random = randomOf(1);
    const attack = times(100, (i) => attackAt(random, i, '+92301', 7));
    const { attack: refused } = await play(server.sendPolicy({ allowedCountries: ['US'] }), attack);
    expect(refused).toEqual({ offered: 100, paid: 0 });
  });

  function attackAt(random: () => number, i: number, prefix: string, more: number): Arrival {
    const client = Math.floor(random() * 1_000);
    const address = `198.${18 + (client % 2)}.${Math.floor(client / 2) % 125}.${1 + Math.floor(client / 250)}`;
    return { at: i * ATTACK_EVERY_MS, number: prefix + digits(random, more), address, genuine: false };
  }
});

function genuine(random: () => number, at: number): Arrival {
  // No exchange begins with 0 or 1, and 976 is a premium one.
  const number = `+1${area(random)}${digits(random, 7)
    .replace(/^([01]|976)/, '5$1')
    .slice(0, 7)}`;
  return {
    at,
    number,
    address: `${1 + Math.floor(random() * 90)}.${times(3, () => Math.floor(random() * 250)).join('.')}`,
    genuine: true,
    typesCode: random() < 0.85,
  };
}

/** Returns an area code outside the attacked number ranges. */
function area(random: () => number): string {
  return ['702', '310', '415', '617', '305', '206'][Math.floor(random() * 6)] as string;
}

/** Runs all arrivals in the order of time. Codes are typed in after 20 seconds. */
async function play(
  { sendPolicy, clock }: { sendPolicy: SendPolicyService; clock: TravelClock },
  arrivals: Arrival[],
): Promise<Tally> {
  const tally: Tally = { genuine: { offered: 0, sent: 0 }, attack: { offered: 0, paid: 0 } };
  const verifying: { at: number; number: string; ticket: string }[] = [];
  const waiting = arrivals.toSorted((a, b) => a.at - b.at);
  for (let now = 0; waiting.length > 0; now += STEP_MS) {
    clock.time = STARTED + now;
    const due = verifying.filter(({ at }) => at <= now);
    for (const typed of due) verifying.splice(verifying.indexOf(typed), 1);
    await Promise.all(
      due.map((typed) =>
        sendPolicy.recordSuccess(sendPolicy.findSuccess(typed.number as PhoneNumber, [typed.ticket])),
      ),
    );
    const arrived = waiting.splice(0, waiting.findIndex(({ at }) => at > now) >>> 0);
    await Promise.all(
      arrived.map(async ({ number, address, genuine, known = false, typesCode = false }) => {
        const ticket = await admitted(sendPolicy, number, address, known, genuine);
        if (genuine) tally.genuine.offered += 1;
        else tally.attack.offered += 1;
        if (ticket === null) return;
        if (!genuine) tally.attack.paid += 1;
        else tally.genuine.sent += 1;
        if (typesCode) verifying.push({ at: now + 20 * SECOND, number, ticket });
      }),
    );
  }
  return tally;
}

async function admitted(
  sendPolicy: SendPolicyService,
  number: string,
  address: string,
  known: boolean,
  solvesProofs = false,
): Promise<string | null> {
  const ask = async (proof: string | null) => {
    const standing = { device: null, isKnownNumber: async () => known, routes: [SMS] as const };
    return (await sendPolicy.admit(number as PhoneNumber, { ...requesterAt(address), proof }, standing))
      .ticket;
  };
  try {
    return await ask(null).catch((refusal) => {
      if (!solvesProofs || !(refusal instanceof ProofOfWorkRequired)) throw refusal;
      return ask(solve(refusal.extensions.challenge as Parameters<typeof solve>[0]));
    });
  } catch (error) {
    if (error instanceof AppError && error.code !== 'unavailable') return null;
    throw error;
  }
}

const requesterAt = (address: string) => ({
  address,
  userAgent: null,
  deviceToken: null,
  signUpToken: null,
  proof: null,
});

class TravelClock extends Clock {
  time = STARTED;

  override now(): number {
    return this.time;
  }
}

interface Opened {
  sendPolicy(
    options?: Partial<AbuseOptions>,
    coolDownMs?: number,
  ): {
    sendPolicy: SendPolicyService;
    clock: TravelClock;
  };
  /** Returns the unsettled messages of a scope; null if it has no state. */
  unsettled(scope: string): Promise<number | null>;
  expire(key: string): Promise<unknown>;
  /** Returns true for an expired state too. */
  isStored(key: string): Promise<boolean>;
  clear(): Promise<unknown>;
  close(): Promise<void>;
}

async function openStore(): Promise<Opened> {
  const server = await freshDatabase();
  const source = await new DataSource({ type: 'postgres', url: server.url, poolSize: 20 }).initialize();
  const database = new Database(source);
  const store = new StateStore(database);
  const generous = [{ points: 1_000_000, seconds: 3_600 }];
  const keys = new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test'));
  return {
    sendPolicy: (overrides = {}, coolDownMs = SECOND) => {
      const events = new AbuseEvents(new Registry(), { trial: false });
      const clock = new TravelClock();
      const state = new SharedState(store);
      const limits = new LimitsService(
        state,
        {
          coolDownsMs: [coolDownMs],
          sendsPerNumber: generous,
          sendsPerAddress: generous,
          checksPerAddress: generous,
          clients: [],
          contestedSends: 3,
          monitored: [],
        },
        events,
      );
      const options: AbuseOptions = {
        policy: DEFAULT_POLICY,
        prices: readPrices(null),
        caps: { perDay: 1_000, perCountry: 1_000 },
        allowedCountries: null,
        breakerEnforced: true,
        trial: false,
        codeLengths: { usual: 6, long: 8, longest: 10 },
        maxAttempts: 5,
        ...overrides,
      };
      const stepUp = new StepUpService(new ProofOfWork(keys), events, clock, options);
      const breaker = new BreakerService(state, stepUp, events, keys, clock, options);
      const spending = new SpendingService(state, events, clock, options);
      const devices = new KnownDevicesService(state, new DeviceTokens(keys), keys, clock, options);
      const guesses = new GuessPolicyService(limits, state, devices, events, keys, clock, options);
      const admission = new AdmissionService(state, guesses, limits, stepUp, breaker, spending, clock);
      const sendPolicy = new SendPolicyService(admission, limits, breaker, spending, events, keys, options);
      return { sendPolicy, clock };
    },
    unsettled: async (scope) => {
      const { found } = await store.read([scope]);
      if (!found[0]?.text) return null;
      const { unsettled } = JSON.parse(found[0].text) as ScopeState;
      return unsettled.reduce((sum, [, messages]) => sum + messages, 0);
    },
    expire: (key) => server.query(`update abuse_states set expires_at = '2000-01-01' where key = $1`, [key]),
    isStored: async (key) =>
      (await server.query('select from abuse_states where key = $1', [key])).length > 0,
    clear: () => server.query('truncate abuse_states'),
    close: async () => {
      await source.destroy();
      await server.drop();
    },
  };
}

/** Mulberry32, a random number generator with a seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function digits(random: () => number, count: number): string {
  return times(count, () => Math.floor(random() * 10)).join('');
}
