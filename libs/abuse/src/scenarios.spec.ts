import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AppError } from '#errors';
import { Keys, nameSecret } from '#keys';
import type { PhoneNumber } from '#phone';
import { Database } from '#postgres';
import { connectRedis, quickOptions } from '#redis';
import { freshDatabase, freshRedis, type Mode, modes } from '../../../test/support/databases.js';
import { AbuseEvents } from './abuse-events.js';
import { Clock } from './clock.js';
import { PostgresLimiterStore } from './limiter-store.postgres.js';
import { RedisLimiterStore } from './limiter-store.redis.js';
import { Limits } from './limits.js';
import { DEFAULT_POLICY } from './policy.js';
import { Sends } from './sends.service.js';
import { readPrices } from './spending.js';
import { PostgresStateStore } from './state-store.postgres.js';
import { RedisStateStore } from './state-store.redis.js';

Logger.overrideLogger(false);

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const STARTED = Date.UTC(2030, 0, 1, 12);
const SEEDS = [1, 2, 3];
/** An attack of 60,000 requests in an hour. */
const ATTACK_EVERY_MS = 60;
/** Requests of so much time arrive together. */
const STEP_MS = 2 * SECOND;

/** One person, or one request of an attacker, who types no code in. */
interface Arrival {
  readonly at: number;
  readonly number: string;
  readonly address: string;
  readonly genuine: boolean;
  readonly known?: boolean;
  /** Whether the code is typed in. */
  readonly typesCode?: boolean;
}

interface Tally {
  readonly genuine: { offered: number; sent: number };
  readonly attack: { offered: number; paid: number };
}

/** The scenarios of docs/abuse.md at a scale for tests, through the true stores. `npm run simulate` has the full one. */
describe.each(modes)('The policy on $name', (mode) => {
  let server: Opened;
  beforeAll(async () => {
    server = await openStores(mode);
  });
  afterAll(() => server.close());
  beforeEach(() => server.clear());

  describe('lets one more message of a verification go', () => {
    const number = '+12125550123' as PhoneNumber;
    const asked = { device: null, known: false };

    it('while there is money for it', async () => {
      const { sends } = server.sends({ caps: { perDay: 1, perCountry: 0.02 } });
      const { ticket } = await sends.admit(number, requesterAt('192.0.2.1'), asked);
      expect(await sends.admitFallback(number, { device: null, tickets: [ticket] })).toBe(true);
      expect(await sends.admitFallback(number, { device: null, tickets: [ticket] })).toBe(false);
    });

    it('while nothing that it counts in is held back', async () => {
      const { sends } = server.sends();
      const { ticket } = await sends.admit(number, requesterAt('192.0.2.1'), asked);
      expect(await sends.admitFallback(number, { device: null, tickets: [ticket] })).toBe(true);
      await sends.suspected([ticket]);
      // Only the next message finds that the address tripped.
      expect(await admitted(sends, '+12125550124', '192.0.2.1', false)).toBeNull();
      expect(await sends.admitFallback(number, { device: null, tickets: [ticket] })).toBe(false);
      const other = await sends.admit('+13105550123' as PhoneNumber, requesterAt('198.51.100.1'), asked);
      const elsewhere = { device: null, tickets: [other.ticket] };
      expect(await sends.admitFallback('+13105550123' as PhoneNumber, elsewhere)).toBe(true);
    });
  });

  it.each(SEEDS)('leaves a burst of new people alone (seed %d)', async (seed) => {
    const random = randomOf(seed);
    const people = times(300, () => person(random, random() * 3 * MINUTE));
    const { genuine } = await play(server.sends(), people);
    expect(genuine.sent).toBe(genuine.offered);
  });

  it.each(SEEDS)(
    'stops an attack on five blocks, and spares who signed in before (seed %d)',
    async (seed) => {
      const random = randomOf(seed);
      const attack = times(600, (i) => attackAt(random, i, `+1212${555 + Math.floor(i / 120)}`, 4));
      const owners = times(60, (i) => ({
        ...person(random, 20 * SECOND + random() * 30 * SECOND),
        number: `+1212${555 + (i % 5)}${digits(random, 4)}`,
        known: true,
      }));
      const others = times(100, () => person(random, random() * 36 * SECOND));
      const known = await play(server.sends(), [...attack, ...owners, ...others]);
      expect(known.attack.paid).toBeLessThanOrEqual(150);
      expect(known.genuine.sent).toBe(known.genuine.offered);
    },
  );

  it.each(SEEDS)('stops random numbers of the home country (seed %d)', async (seed) => {
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
    const { attack: pumped } = await play(server.sends({ policy }), attack);
    expect(pumped.paid).toBeLessThanOrEqual(200);
    expect(pumped.paid).toBeGreaterThan(0);
  });

  it('pays nothing for a country that it does not serve', async () => {
    const random = randomOf(1);
    const attack = times(100, (i) => attackAt(random, i, '+92301', 7));
    const { attack: refused } = await play(server.sends({ allowedCountries: ['US'] }), attack);
    expect(refused).toEqual({ offered: 100, paid: 0 });
  });

  function attackAt(random: () => number, i: number, prefix: string, more: number): Arrival {
    const client = Math.floor(random() * 1_000);
    const address = `198.${18 + (client % 2)}.${Math.floor(client / 2) % 125}.${1 + Math.floor(client / 250)}`;
    return { at: i * ATTACK_EVERY_MS, number: prefix + digits(random, more), address, genuine: false };
  }
});

function person(random: () => number, at: number): Arrival {
  const number = `+1${area(random)}${digits(random, 7).replace(/^[01]/, '5')}`;
  return {
    at,
    number,
    address: `${1 + Math.floor(random() * 90)}.${times(3, () => Math.floor(random() * 250)).join('.')}`,
    genuine: true,
    typesCode: random() < 0.85,
  };
}

/** Area codes, none of which is attacked by blocks. */
function area(random: () => number): string {
  return ['702', '310', '415', '617', '305', '206'][Math.floor(random() * 6)] as string;
}

/** Lets all of them come in their time; who is genuine types the code in, most of them, after some seconds. */
async function play(
  { sends, clock }: { sends: Sends; clock: TravelClock },
  arrivals: Arrival[],
): Promise<Tally> {
  const tally: Tally = { genuine: { offered: 0, sent: 0 }, attack: { offered: 0, paid: 0 } };
  const verifying: { at: number; number: string; address: string; ticket: string }[] = [];
  const waiting = arrivals.toSorted((a, b) => a.at - b.at);
  for (let now = 0; waiting.length > 0; now += STEP_MS) {
    clock.time = STARTED + now;
    const due = verifying.filter(({ at }) => at <= now);
    for (const typed of due) verifying.splice(verifying.indexOf(typed), 1);
    await Promise.all(due.map((typed) => sends.succeeded(typed.number as PhoneNumber, [typed.ticket])));
    const arrived = waiting.splice(0, waiting.findIndex(({ at }) => at > now) >>> 0);
    await Promise.all(
      arrived.map(async ({ number, address, genuine, known = false, typesCode = false }) => {
        const ticket = await admitted(sends, number, address, known);
        if (genuine) tally.genuine.offered += 1;
        else tally.attack.offered += 1;
        if (ticket === null) return;
        if (!genuine) tally.attack.paid += 1;
        else tally.genuine.sent += 1;
        if (typesCode) verifying.push({ at: now + 20 * SECOND, number, address, ticket });
      }),
    );
  }
  return tally;
}

async function admitted(
  sends: Sends,
  number: string,
  address: string,
  known: boolean,
): Promise<string | null> {
  try {
    const place = { device: null, known };
    return (await sends.admit(number as PhoneNumber, requesterAt(address), place)).ticket;
  } catch (error) {
    if (error instanceof AppError && error.code !== 'unavailable') return null;
    throw error;
  }
}

const requesterAt = (address: string) => ({ address, deviceToken: null, proof: null });

class TravelClock extends Clock {
  time = STARTED;

  override now(): number {
    return this.time;
  }
}

interface Opened {
  sends(options?: Partial<ConstructorParameters<typeof Sends>[6]>): { sends: Sends; clock: TravelClock };
  clear(): Promise<unknown>;
  close(): Promise<void>;
}

async function openStores(mode: Mode): Promise<Opened> {
  const server = await freshDatabase();
  const source = await new DataSource({ type: 'postgres', url: server.url, poolSize: 20 }).initialize();
  const database = new Database(source);
  const redis = mode.redis ? connectRedis(await freshRedis(), quickOptions) : null;
  if (redis) await once(redis, 'ready');
  const ledger = new PostgresStateStore(database);
  const generous = [{ points: 1_000_000, seconds: 3_600 }];
  const keys = new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test'));
  return {
    sends: (options = {}) => {
      const events = new AbuseEvents();
      const clock = new TravelClock();
      const limits = new Limits(
        redis ? new RedisLimiterStore(redis) : new PostgresLimiterStore(database),
        {
          coolDownsMs: [SECOND],
          sendsPerNumber: generous,
          sendsPerAddress: generous,
          checksPerAddress: generous,
          contestedSends: 3,
          monitored: [],
        },
        events,
      );
      const sends = new Sends(
        limits,
        redis ? new RedisStateStore(redis) : ledger,
        ledger,
        events,
        keys,
        clock,
        {
          policy: DEFAULT_POLICY,
          prices: readPrices(null),
          caps: { perDay: 1_000, perCountry: 1_000 },
          allowedCountries: null,
          breakerEnforced: true,
          usualCodeLength: 6,
          maxAttempts: 5,
          ...options,
        },
      );
      return { sends, clock };
    },
    clear: async () => {
      await server.query('truncate abuse_states, limits');
      await redis?.flushdb();
    },
    close: async () => {
      redis?.disconnect();
      await source.destroy();
      await server.drop();
    },
  };
}

/** Mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function times<T>(n: number, what: (i: number) => T): T[] {
  return Array.from({ length: n }, (_, i) => what(i));
}

function digits(random: () => number, count: number): string {
  return times(count, () => Math.floor(random() * 10)).join('');
}
