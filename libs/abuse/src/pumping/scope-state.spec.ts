import {
  ADDRESS,
  COUNTRY,
  DAY,
  HOUR,
  NETWORK,
  only,
  policyWith,
  RANGE_10K,
  RANGE_100K,
  requestIn,
  SECOND,
  SETTLED,
  START,
  SYSTEM,
  Traffic,
} from '../../../../test/support/breaker-traffic.js';
import { times } from '../../../../test/support/repeat.js';
import { DEFAULT_POLICY } from '../policy.js';
import {
  newScopeState,
  release,
  type ScopeState,
  stateTtlMs,
  unverifiedWeight,
  verifiedWeight,
} from './scope-state.js';

const u = unverifiedWeight(DEFAULT_POLICY);

describe('evidence', () => {
  it('weighs messages by their likelihood ratios', () => {
    expect(unverifiedWeight(DEFAULT_POLICY)).toBeCloseTo(0.896, 3);
    expect(verifiedWeight(DEFAULT_POLICY)).toBeCloseTo(3.4, 2);
  });

  it('grows by each message that is not verified within a minute', () => {
    const traffic = new Traffic();
    const request = requestIn(only(COUNTRY));
    traffic.send(request);
    traffic.send(request);
    traffic.pass(60 * SECOND - 1);
    traffic.send(request);
    expect(traffic.of(COUNTRY).evidence).toBe(0);
    traffic.pass(10 * SECOND);
    traffic.send(request);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(2 * u, 9);
  });

  it('shrinks by each message that is verified in time', () => {
    const traffic = new Traffic();
    const request = requestIn(only(COUNTRY));
    traffic.lose(5, request);
    const { admitted } = traffic.send(request);
    traffic.verify(admitted);
    traffic.pass(SETTLED);
    traffic.send(request);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(5 * 0.896 - 3.4, 2);
  });

  it('is the same after a late verification as after one in time', () => {
    const traffic = new Traffic();
    const request = requestIn(only(COUNTRY));
    const { admitted } = traffic.send(request);
    traffic.pass(SETTLED);
    traffic.lose(5, request);
    traffic.send(request);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(6 * u, 9);
    traffic.verify(admitted);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(5 * 0.896 - 3.4, 2);
  });

  it('is never negative, so that no credit can be saved for an attack', () => {
    const traffic = new Traffic();
    const request = requestIn(only(COUNTRY));
    for (let i = 0; i < 50; i += 1) traffic.verify(traffic.send(request).admitted);
    expect(traffic.of(COUNTRY).evidence).toBe(0);
    traffic.pass(SETTLED);
    traffic.lose(1, request);
    traffic.send(request);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(u, 9);
  });

  it.each([
    ['address', 6, ADDRESS, 'step_up', HOUR],
    ['network', 12, NETWORK, 'step_up', HOUR],
    ['range of 10,000 numbers', 14, RANGE_10K, 'block', DAY],
    ['range of 100,000 numbers', 40, RANGE_100K, 'step_up', HOUR],
    ['country', 250, COUNTRY, 'step_up', HOUR],
    ['whole system', 1_000, SYSTEM, 'step_up', HOUR],
  ])('trips the %s after exactly %d lost messages', (_, lose, scope, action, holdMs) => {
    const traffic = new Traffic();
    const request = requestIn(only(scope));
    traffic.lose(lose, request);
    expect(traffic.events).toEqual([]);
    const { verdict, events } = traffic.send(request);
    expect(events).toEqual([{ event: 'tripped', scope, action, until: traffic.now + holdMs }]);
    expect(verdict.outcome).toBe(action === 'block' ? 'suspend' : 'step_up');
    expect(traffic.of(scope)).toMatchObject({ evidence: 0, unsettled: [], trips: 1 });
  });

  it('trips nothing while six of ten messages are verified', () => {
    const traffic = new Traffic();
    const request = requestIn({ requester: [ADDRESS, NETWORK], numbers: [RANGE_10K, RANGE_100K, COUNTRY] });
    for (let i = 0; i < 1_000; i += 1) {
      const { admitted } = traffic.send(request);
      if ((i * 7) % 10 < 6) traffic.verify(admitted);
      traffic.pass(SETTLED);
    }
    expect(traffic.events).toEqual([]);
  });
});

describe('the limit on unsettled messages', () => {
  const caps = [
    ['address', ADDRESS, 4, 3, 'step_up'],
    ['network', NETWORK, 12, 4, 'step_up'],
    ['range of 10,000 numbers', RANGE_10K, 10, 4, 'suspend'],
    ['range of 100,000 numbers', RANGE_100K, 60, 4, 'step_up'],
    ['country', COUNTRY, 600, 4, 'step_up'],
  ] as const;

  it.each(caps)('of the %s is exact', (_, scope, pending, __, outcome) => {
    const traffic = new Traffic();
    expect(traffic.fill(requestIn(only(scope)))).toBe(pending);
    expect(traffic.unsettledIn(scope)).toBe(pending);
    expect(traffic.verdictOn(requestIn(only(scope)))).toMatchObject({ outcome, scope });
  });

  it.each(caps)('of the %s grows with each verified message', (_, scope, pending, credit) => {
    const traffic = new Traffic();
    const request = requestIn(only(scope));
    const messages = times(pending, () => traffic.send(request).admitted);
    for (const message of messages.slice(0, 2)) traffic.verify(message);
    traffic.fill(request);
    expect(traffic.unsettledIn(scope)).toBe(pending + 2 * credit);
  });

  it('does not exist for the whole system', () => {
    expect(new Traffic().fill(requestIn(only(SYSTEM)), 5_000)).toBe(5_000);
  });

  it('loses half of the credit for verified messages in ten minutes', () => {
    const traffic = new Traffic();
    const request = requestIn(only(RANGE_10K));
    for (let i = 0; i < 10; i += 1) traffic.verify(traffic.send(request).admitted);
    traffic.pass(600 * SECOND);
    traffic.fill(request);
    expect(traffic.unsettledIn(RANGE_10K)).toBe(10 + 4 * 5);
  });

  it('allows more messages when a code is typed in', () => {
    const traffic = new Traffic();
    const request = requestIn(only(RANGE_10K));
    const { admitted } = traffic.send(request);
    traffic.fill(request);
    expect(traffic.verdictOn(request)).toMatchObject({ outcome: 'suspend' });
    traffic.verify(admitted);
    expect(traffic.fill(request)).toBe(1 + 4);
  });

  it('answers a refused message with the time at which the oldest messages settle', () => {
    const traffic = new Traffic(policyWith({ numbers10k: { lose: 10 } }));
    traffic.pass(1_234);
    const request = requestIn(only(RANGE_10K));
    traffic.fill(request);
    const verdict = traffic.verdictOn(request);
    if (verdict.outcome !== 'suspend') throw new Error(`unexpected outcome ${verdict.outcome}`);
    traffic.pass(verdict.retryAfterMs - 1);
    expect(traffic.send(request).events).toEqual([]);
    traffic.pass(1);
    expect(traffic.send(request).events).toMatchObject([{ event: 'tripped', scope: RANGE_10K }]);
  });

  it.each([
    ['fast', 100],
    ['slow', 3 * SECOND],
    ['slower', 30 * SECOND],
  ])('gives a %s attack no more messages than a concurrent one, because losses lower it', (_, everyMs) => {
    const traffic = new Traffic();
    const request = requestIn(only(RANGE_10K));
    let sent = 0;
    for (let i = 0; i < 500 && traffic.of(RANGE_10K).hold === null; i += 1) {
      if (traffic.send(request).verdict.outcome === 'send') sent += 1;
      traffic.pass(everyMs);
    }
    expect(sent).toBeLessThanOrEqual(14);
    expect(sent).toBeGreaterThanOrEqual(10);
  });

  it('allows at least one message, by which a scope can trip or recover', () => {
    const traffic = new Traffic();
    const request = requestIn(only(ADDRESS));
    traffic.lose(6, request);
    expect(traffic.send(request).events).toMatchObject([{ event: 'tripped', scope: ADDRESS }]);
  });

  it('keeps few time slots when replicas with different clocks alternate', () => {
    const traffic = new Traffic();
    const request = requestIn(only(COUNTRY));
    for (let i = 0; i < 100; i += 1) {
      traffic.now = START + (i % 2) * 5 * SECOND;
      traffic.send(request);
    }
    expect(traffic.of(COUNTRY).unsettled.length).toBeLessThanOrEqual(14);
    expect(traffic.unsettledIn(COUNTRY)).toBe(100);
  });
});

describe('the work of a proof of work', () => {
  const request = requestIn({ requester: [ADDRESS], numbers: [] });
  const proven = { ...request, proven: true };
  const { hashes, mostHashes } = DEFAULT_POLICY.proof;

  function hashesFor(traffic: Traffic, of = request): number {
    const verdict = traffic.verdictOn(of);
    if (verdict.outcome !== 'step_up') throw new Error(`unexpected outcome ${verdict.outcome}`);
    return verdict.hashes;
  }

  it('doubles with each consecutive trip, up to a limit', () => {
    const traffic = new Traffic();
    const demanded = times(12, () => {
      traffic.lose(6, proven);
      traffic.send(request);
      return hashesFor(traffic);
    });
    expect(demanded).toEqual(times(12, (i) => Math.min(mostHashes, hashes * 2 ** i)));
    expect(demanded.at(-1)).toBe(mostHashes);
  });

  it('grows with the number of unsettled messages', () => {
    const traffic = new Traffic();
    traffic.lose(6, proven);
    traffic.send(request);
    const demanded = times(13, () => {
      const before = hashesFor(traffic);
      traffic.send(proven);
      return before / hashes;
    });
    expect(demanded).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 4]);
  });

  it('is that of the scope that demands the most', () => {
    const traffic = new Traffic();
    const hold = { action: 'step_up', since: START, until: START + DAY, probeAt: null } as const;
    Object.assign(traffic.of(ADDRESS), { hold, trips: 1, heldUntil: hold.until });
    Object.assign(traffic.of(NETWORK), { hold, trips: 3, heldUntil: hold.until });
    const both = requestIn({ requester: [ADDRESS, NETWORK], numbers: [] });
    expect(traffic.verdictOn(both)).toEqual({ outcome: 'step_up', scope: NETWORK, hashes: 4 * hashes });
  });

  it('is finite if the policy allows no unsettled messages', () => {
    const traffic = new Traffic(policyWith({ address: { pending: 0 } }));
    expect(hashesFor(traffic)).toBe(hashes);
  });
});

describe('release', () => {
  it('ends a block and forgets the evidence behind it', () => {
    const traffic = new Traffic();
    const request = requestIn(only(RANGE_10K));
    traffic.lose(14, request);
    traffic.send(request);
    const { until } = traffic.of(RANGE_10K).hold as NonNullable<ScopeState['hold']>;
    expect(release(RANGE_10K, traffic.of(RANGE_10K))).toEqual([
      { event: 'released', scope: RANGE_10K, action: 'block', until },
    ]);
    expect(traffic.of(RANGE_10K)).toMatchObject({ unsettled: [], evidence: 0, hold: null, trips: 0 });
    expect(traffic.send(request).verdict).toEqual({ outcome: 'send' });
  });

  it('returns no event for a scope that is not blocked', () => {
    expect(release(RANGE_10K, newScopeState())).toEqual([]);
  });
});

describe('stateTtlMs', () => {
  it('keeps a scope for a day after its block, and the system for the week of its busiest hours', () => {
    const traffic = new Traffic();
    expect(stateTtlMs(ADDRESS, newScopeState(), traffic.now)).toBe(25 * HOUR);
    traffic.lose(14, requestIn(only(RANGE_10K)));
    traffic.send(requestIn(only(RANGE_10K)));
    expect(stateTtlMs(RANGE_10K, traffic.of(RANGE_10K), traffic.now)).toBe((24 + 25) * HOUR);
    expect(stateTtlMs(SYSTEM, newScopeState(), traffic.now)).toBe((8 * 24 + 1) * HOUR);
  });
});
