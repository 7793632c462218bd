import { Logger } from '@nestjs/common';
import { Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { CHANNELS, type Route } from '#config';
import { Database } from '#postgres';
import { freshDatabase } from '../../../../test/support/databases.js';
import { times } from '../../../../test/support/repeat.js';
import { AbuseEvents } from '../abuse-events.js';
import type { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { DEFAULT_POLICY } from '../policy.js';
import { SharedState } from '../state/shared-state.js';
import { StateStore } from '../state/state-store.postgres.js';
import type { PriceTable } from './prices.js';
import {
  type Caps,
  capReached,
  chargeText,
  newCharge,
  newSpending,
  readCharge,
  refund,
  type Spending,
  spend,
} from './spending.js';
import { type PaidMessage, SpendingService } from './spending.service.js';

Logger.overrideLogger(false);

const table: PriceTable = {
  default: { sms: 0.3, whatsapp: 0.03, call: 3 },
  countries: { FR: { sms: 0.1, call: 1 }, DE: { sms: 0.2 } },
};
const NO_CAP = 1_000;
const NOON = Date.UTC(2030, 0, 1, 12);
const chargeTo = (country: string, prices = table) => newCharge(NOON, country, 'sms', prices);

/** Spends on messages until a cap is reached. */
function fill(country: string, caps: Caps, prices = table) {
  const spending = newSpending();
  const warnings: [message: number, caps: string[]][] = [];
  for (let messages = 0; ; messages += 1) {
    const charge = chargeTo(country, prices);
    const cap = capReached(spending, charge, caps);
    if (cap) return { messages, cap, warnings, spending };
    const warned = spend(spending, charge, caps, 0.8);
    if (warned.length > 0) warnings.push([messages + 1, warned]);
  }
}

describe('a cap', () => {
  it.each([
    ['FR', 0.3, 3],
    ['FR', 1, 10],
    ['FR', 0.99, 9],
    ['XX', 0.9, 3],
    ['DE', 0, 0],
  ])('allows exactly its amount: messages to %s with a cap of %d end after %d', (country, cap, messages) => {
    expect(fill(country, { perDay: cap, perCountry: NO_CAP })).toMatchObject({
      messages,
      cap: 'spend_per_day',
    });
    expect(fill(country, { perDay: NO_CAP, perCountry: cap })).toMatchObject({
      messages,
      cap: 'spend_per_country',
    });
  });

  it.each([2.01, 4.02, 4.35, 8.2])('of %d is exact, although binary fractions are not', (cap) => {
    const prices = { default: { sms: 0.01, whatsapp: 0, call: 0 }, countries: {} };
    const messages = Math.round(cap * 100);
    expect(fill('FR', { perDay: cap, perCountry: NO_CAP }, prices).messages).toBe(messages);
  });

  it('adds prices up without rounding errors: 0.1 and 0.2 are 0.3', () => {
    const spending = newSpending();
    const caps = { perDay: 0.3, perCountry: NO_CAP };
    spend(spending, chargeTo('FR'), caps, 0.8);
    expect(capReached(spending, chargeTo('DE'), caps)).toBeNull();
    spend(spending, chargeTo('DE'), caps, 0.8);
    expect(spending).toEqual({ total: 300_000, countries: { FR: 100_000, DE: 200_000 } });
    expect(capReached(spending, chargeTo('FR'), caps)).toBe('spend_per_day');
  });

  it('counts a call at the price of a call', () => {
    const spending = newSpending();
    const caps = { perDay: NO_CAP, perCountry: 1 };
    const call = newCharge(NOON, 'FR', 'call', table);
    spend(spending, call, caps, 0.8);
    expect(spending).toEqual({ total: 1_000_000, countries: { FR: 1_000_000 } });
    expect(capReached(spending, chargeTo('FR'), caps)).toBe('spend_per_country');
  });

  it('allows one more message after a refund, and never counts below zero', () => {
    const { spending } = fill('FR', { perDay: 1, perCountry: 1 });
    refund(spending, chargeTo('FR'));
    expect(spending).toEqual({ total: 900_000, countries: { FR: 900_000 } });
    for (let i = 0; i < 20; i += 1) refund(spending, chargeTo('FR'));
    refund(spending, chargeTo('DE'));
    expect(spending).toEqual({ total: 0, countries: { FR: 0, DE: 0 } });
  });

  it('of one country does not affect another country', () => {
    const { spending } = fill('FR', { perDay: NO_CAP, perCountry: 1 });
    expect(capReached(spending, chargeTo('DE'), { perDay: NO_CAP, perCountry: 1 })).toBeNull();
  });

  it('warns once, with the message that reaches four fifths', () => {
    expect(fill('FR', { perDay: 1, perCountry: NO_CAP }).warnings).toEqual([[8, ['spend_per_day']]]);
    expect(fill('FR', { perDay: NO_CAP, perCountry: 1 }).warnings).toEqual([[8, ['spend_per_country']]]);
  });
});

describe('readCharge', () => {
  it.each(['FR', '+870'])('reads the stored form of a charge to %s', (country) => {
    const charge = newCharge(NOON, country, 'call', table);
    expect(readCharge(chargeText(charge))).toEqual(charge);
    expect(charge.day).toBe('2030-01-01');
  });

  it.each([
    '',
    'none',
    '2030-01-01.FR.sms.1',
    '2030-01-01.FR.fax.1.AAAAAAAAAAAA',
    '2030-01-01.FR.sms.-1.AAAAAAAAAAAA',
    '2030-01-01.FR.sms.1.AAAAAAAAAAAA.more',
  ])('returns null for %j', (text) => {
    expect(readCharge(text)).toBeNull();
  });
});

describe('SpendingService', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let source: DataSource;
  let store: StateStore;
  let states: SharedState[];
  let services: SpendingService[];
  let now: number;

  const options = {
    policy: DEFAULT_POLICY,
    prices: table,
    caps: { perDay: 30, perCountry: 20 },
  } as AbuseOptions;

  beforeAll(async () => {
    database = await freshDatabase();
    source = await new DataSource({ type: 'postgres', url: database.url, poolSize: 20 }).initialize();
    store = new StateStore(new Database(source));
    const clock = Object.assign(new Clock(), { now: () => now });
    // Two processes.
    states = times(2, () => new SharedState(store));
    services = states.map((state) => {
      return new SpendingService(state, new AbuseEvents(new Registry(), { trial: false }), clock, options);
    });
  });
  beforeEach(async () => {
    now = NOON;
    await database.query('truncate abuse_states');
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const service = (n: number) => services[n % services.length] as SpendingService;
  const route = (channel: Route['channel']): Route => ({ channel, provider: 'twilio' });
  const message = (country: string, channel: Route['channel'] = 'sms') => {
    return { country, routes: [route(channel)] as const, isKnownDevice: false };
  };

  async function spendingOf(day: string): Promise<Spending> {
    const { found } = await store.read([`spending:${day}`]);
    return found[0]?.text ? JSON.parse(found[0].text) : newSpending();
  }

  /** Returns the obstacle that the second process finds for a message. */
  function obstacleTo(paid: PaidMessage) {
    const charge = service(1).chargeFor(paid);
    const keys = service(1).keysOf(paid, charge);
    return states[1]?.decide(keys, (draft) => service(1).obstacleTo(paid, charge, draft));
  }

  it.each([1, 2, 3])(
    'has spent what was charged and not refunded, whatever the order and the repeats (seed %d)',
    async (seed) => {
      const random = randomOf(seed);
      const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
      const charges: string[] = [];
      const refunded = new Set<string>();
      for (let step = 0; step < 12; step += 1) {
        // Crosses midnight in the middle.
        now = NOON + step * 2 * 3_600_000;
        const acts = times(12, (n) => async () => {
          const charge = charges.length > 0 ? pick(charges) : undefined;
          if (charge && random() < 0.5) {
            refunded.add(charge);
            await Promise.all([service(n).refund(charge), service(n + 1).refund(charge)]);
          } else {
            const spent = service(n).spend(message(pick(['FR', 'DE', 'US']), pick(CHANNELS)), {});
            await spent.then((text) => charges.push(text)).catch(() => {});
          }
        });
        await Promise.all(acts.map((act) => act()));
      }
      const kept = charges.filter((charge) => !refunded.has(charge)).map((text) => readCharge(text));
      for (const day of ['2030-01-01', '2030-01-02']) {
        const { total, countries } = await spendingOf(day);
        const ofDay = kept.filter((charge) => charge?.day === day);
        const sum = (country?: string) =>
          ofDay.reduce(
            (all, charge) => all + (!country || charge?.country === country ? (charge?.price ?? 0) : 0),
            0,
          );
        expect(total).toBe(sum());
        for (const country of Object.keys(countries)) expect(countries[country]).toBe(sum(country));
      }
      expect(refunded.size).toBeGreaterThan(10);
      expect(kept.length).toBeGreaterThan(10);
    },
  );

  it('refunds the day, the country and the price that were charged', async () => {
    now = Date.UTC(2030, 0, 1, 23, 59, 59);
    const charge = await service(0).spend(message('FR', 'call'), {});
    now += 2_000;
    await service(1).spend(message('FR'), {});
    await service(1).refund(charge);
    await service(0).refund(charge);
    expect(await spendingOf('2030-01-01')).toEqual({ total: 0, countries: { FR: 0 } });
    expect(await spendingOf('2030-01-02')).toEqual({ total: 100_000, countries: { FR: 100_000 } });
  });

  it('refuses a country that the provider refused, on that route only, until it is tried again', async () => {
    await service(0).recordRefusedCountry('FR', route('sms'));
    const refusal = { code: 'phone_number_not_allowed' };
    expect(await obstacleTo(message('FR'))).toBe('country_not_served');
    await expect(service(1).spend(message('FR'), {})).rejects.toMatchObject(refusal);
    expect(await obstacleTo(message('FR', 'call'))).toBeNull();
    expect(await obstacleTo(message('DE'))).toBeNull();
    expect(await obstacleTo({ ...message('FR'), routes: [route('sms'), route('call')] })).toBeNull();
    expect(await spendingOf('2030-01-01')).toEqual(newSpending());
    now += 600_000;
    expect(await obstacleTo(message('FR'))).toBeNull();
  });

  it('does not refuse a country in which messages were sent that day', async () => {
    await service(0).recordSent('DE', route('call'));
    await service(1).recordRefusedCountry('DE', route('call'));
    expect(await obstacleTo(message('DE', 'call'))).toBeNull();
  });
});

/** A generator of numbers from zero up to one: the same seed gives the same numbers (Park and Miller). */
function randomOf(seed: number): () => number {
  let state = seed * 7_919;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
