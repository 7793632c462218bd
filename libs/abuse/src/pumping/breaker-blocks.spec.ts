import {
  COUNTRY,
  DAY,
  HOUR,
  MINUTE,
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
import type { ScopeState } from './scope-state.js';

describe('a blocked range of 10,000 numbers', () => {
  const request = requestIn({ requester: [], numbers: [RANGE_10K, RANGE_100K, COUNTRY] });
  let traffic: Traffic;

  beforeEach(() => {
    traffic = new Traffic();
    traffic.lose(14, request);
    traffic.send(request);
  });

  it('lets probes through with a proof of work, after waits that double', () => {
    const probe = (waitMs: number, proven = true) => {
      traffic.pass(waitMs);
      return traffic.send({ ...request, proven }).verdict;
    };
    const wait = (retryAfterMs: number) => ({ outcome: 'suspend', scope: RANGE_10K, retryAfterMs });
    expect(probe(0)).toEqual(wait(20 * MINUTE));
    expect(probe(20 * MINUTE - 1)).toEqual(wait(1));
    expect(probe(1, false)).toMatchObject({ outcome: 'step_up', scope: RANGE_10K });
    expect(probe(0)).toEqual({ outcome: 'send' });
    expect(probe(0)).toEqual(wait(20 * MINUTE));
    expect(probe(20 * MINUTE)).toEqual({ outcome: 'send' });
    expect(probe(0)).toEqual(wait(40 * MINUTE));
    expect(probe(40 * MINUTE)).toEqual({ outcome: 'send' });
    expect(probe(0)).toEqual(wait(80 * MINUTE));
  });

  it('lets at most seven probes through in a day', () => {
    let sent = 0;
    for (let minute = 0; minute < 24 * 60; minute += 1) {
      if (traffic.send({ ...request, proven: true }).verdict.outcome === 'send') sent += 1;
      traffic.pass(MINUTE);
    }
    expect(sent).toBeLessThanOrEqual(7);
  });

  it('is released by a verified probe', () => {
    const { until } = traffic.of(RANGE_10K).hold as NonNullable<ScopeState['hold']>;
    traffic.pass(20 * MINUTE);
    const { admitted } = traffic.send({ ...request, proven: true });
    expect(admitted.probes).toEqual([RANGE_10K]);
    traffic.pass(20 * SECOND);
    expect(traffic.verify(admitted)).toEqual([
      { event: 'released', scope: RANGE_10K, action: 'block', until },
    ]);
    expect(traffic.fill(request, 10)).toBe(10);
  });

  it('is not released by an unverified probe', () => {
    traffic.pass(20 * MINUTE);
    traffic.send({ ...request, proven: true });
    traffic.pass(SETTLED);
    expect(traffic.send(request).verdict).toMatchObject({ outcome: 'suspend', scope: RANGE_10K });
  });

  it('is not released by a message that was sent before the block', () => {
    const { admitted } = new Traffic().send(request);
    expect(traffic.verify(admitted)).toEqual([]);
    expect(traffic.of(RANGE_10K).hold).not.toBeNull();
  });

  it('keeps its probe when another scope blocks the message', () => {
    const fromBlocked = { ...request, scopes: { ...request.scopes, requester: [NETWORK] }, proven: true };
    traffic.of(NETWORK).hold = { action: 'block', since: START, until: START + DAY, probeAt: null };
    traffic.pass(20 * MINUTE);
    expect(traffic.send(fromBlocked).verdict).toMatchObject({ outcome: 'suspend', scope: NETWORK });
    expect(traffic.send({ ...request, proven: true }).verdict).toEqual({ outcome: 'send' });
  });

  it('never returns a wait beyond the end of the block', () => {
    const { until } = traffic.of(RANGE_10K).hold as NonNullable<ScopeState['hold']>;
    traffic.pass(until - traffic.now - 4 * MINUTE);
    const proven = { ...request, proven: true };
    expect(traffic.send(proven).verdict).toEqual({ outcome: 'send' });
    expect(traffic.send(proven).verdict).toMatchObject({ retryAfterMs: 4 * MINUTE });
  });

  it('does not affect known numbers and known devices', () => {
    expect(traffic.verdictOn({ ...request, knownNumber: true })).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...request, knownDevice: true })).toEqual({ outcome: 'send' });
  });

  it('does not accept a proof of work', () => {
    expect(traffic.verdictOn({ ...request, proven: true })).toMatchObject({ outcome: 'suspend' });
  });

  it('is released when the block ends', () => {
    traffic.pass(DAY - 1);
    traffic.of(RANGE_10K).hold = {
      ...(traffic.of(RANGE_10K).hold as NonNullable<ScopeState['hold']>),
      probeAt: null,
    };
    expect(traffic.send(request).verdict).toMatchObject({ outcome: 'suspend', retryAfterMs: 1 });
    traffic.pass(1);
    const { verdict, events } = traffic.send(request);
    expect(verdict).toEqual({ outcome: 'send' });
    expect(events).toEqual([{ event: 'released', scope: RANGE_10K, action: 'block', until: traffic.now }]);
  });
});

describe('a range of 100,000 numbers', () => {
  it('is stepped up when it trips, and never blocked', () => {
    const traffic = new Traffic();
    const request = requestIn(only(RANGE_100K));
    traffic.lose(40, request);
    for (const knownNumber of [false, true])
      expect(traffic.verdictOn({ ...request, knownNumber })).toMatchObject({
        outcome: 'step_up',
        scope: RANGE_100K,
      });
    expect(traffic.send({ ...request, proven: true }).verdict).toEqual({ outcome: 'send' });
  });

  it('is stepped up if an older version has blocked it', () => {
    const traffic = new Traffic();
    const request = requestIn(only(RANGE_100K));
    traffic.of(RANGE_100K).hold = { action: 'block', since: START, until: START + DAY, probeAt: null };
    expect(traffic.verdictOn(request)).toMatchObject({ outcome: 'step_up', scope: RANGE_100K });
    expect(traffic.verdictOn({ ...request, proven: true })).toEqual({ outcome: 'send' });
  });
});

describe('while a country is stepped up, with a proof of work', () => {
  const numbers = (range: number) => [`numbers_10k:+3312${range}4`, `numbers_100k:+3312${range}`, COUNTRY];
  const from = (network: number, range: number) =>
    requestIn(
      { requester: [`address:192.0.${network}.1`, `network:192.0.${network}.0/24`], numbers: numbers(range) },
      { proven: true },
    );
  let traffic: Traffic;

  beforeEach(() => {
    traffic = new Traffic();
    traffic.of(COUNTRY).hold = { action: 'step_up', since: START, until: START + DAY, probeAt: null };
  });

  it('a range of 10,000 numbers gets one unanswered message in 90 seconds', () => {
    expect(traffic.send(from(1, 1)).verdict).toEqual({ outcome: 'send' });
    traffic.pass(SETTLED);
    expect(traffic.send(from(2, 1)).verdict).toEqual({
      outcome: 'suspend',
      scope: 'numbers_10k:+331214',
      retryAfterMs: 90 * SECOND - SETTLED,
    });
    traffic.pass(90 * SECOND - SETTLED);
    expect(traffic.send(from(3, 1)).verdict).toEqual({ outcome: 'send' });
  });

  it('a verified message makes room at once', () => {
    traffic.verify(traffic.send(from(1, 1)).admitted);
    expect(traffic.send(from(2, 1)).verdict).toEqual({ outcome: 'send' });
  });

  it('a network is suspended for proofs that it solves for ranges without room', () => {
    for (const range of [1, 2, 3]) traffic.send(from(1, range));
    for (const range of [1, 2]) traffic.send(from(2, range));
    expect(traffic.send(from(2, 4)).verdict).toMatchObject({
      outcome: 'suspend',
      scope: 'network:192.0.2.0/24',
    });
    expect(traffic.send(from(3, 4)).verdict).toEqual({ outcome: 'send' });
  });

  it('is no different for known numbers until a message is sent', () => {
    traffic.send(from(1, 1));
    const unproven = { ...from(2, 1), proven: false };
    expect(traffic.verdictOn({ ...unproven, knownNumber: true })).toEqual(traffic.verdictOn(unproven));
    expect(traffic.verdictOn(from(3, 1))).toMatchObject({ outcome: 'suspend' });
    expect(traffic.verdictOn({ ...from(3, 1), knownNumber: true })).toEqual({ outcome: 'send' });
  });
});

describe('a network', () => {
  const unknown = requestIn({ requester: [NETWORK], numbers: [RANGE_10K] });
  const known = { ...unknown, knownNumber: true };
  const proven = { ...unknown, proven: true };
  const withoutNumbers = requestIn({ requester: [NETWORK], numbers: [] });
  let traffic: Traffic;

  beforeEach(() => {
    traffic = new Traffic();
    traffic.lose(12, withoutNumbers);
    traffic.send(withoutNumbers);
  });

  const tripAgain = () => {
    traffic.lose(12, { ...withoutNumbers, proven: true });
    return traffic.send(withoutNumbers).events;
  };

  it('is stepped up when it trips, and sends with a proof of work', () => {
    expect(traffic.verdictOn(unknown)).toMatchObject({ outcome: 'step_up', scope: NETWORK });
    expect(traffic.verdictOn(known)).toMatchObject({ outcome: 'step_up', scope: NETWORK });
    expect(traffic.verdictOn(proven)).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...known, proven: true })).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...unknown, knownDevice: true })).toEqual({ outcome: 'send' });
  });

  it('is blocked for six hours when it trips again, with the same answer for all numbers', () => {
    const events = tripAgain();
    const until = traffic.now + 6 * HOUR;
    expect(events).toEqual([{ event: 'tripped', scope: NETWORK, action: 'block', until }]);
    expect(traffic.verdictOn(proven)).toEqual({
      outcome: 'suspend',
      scope: NETWORK,
      retryAfterMs: 6 * HOUR,
    });
    for (const request of [unknown, known, { ...known, proven: true }])
      expect(traffic.verdictOn(request)).toEqual(traffic.verdictOn(proven));
    expect(traffic.verdictOn({ ...unknown, knownDevice: true })).toEqual({ outcome: 'send' });
    traffic.pass(6 * HOUR);
    expect(traffic.verdictOn(unknown)).toEqual({ outcome: 'send' });
  });

  it('is blocked when it trips again 20 hours later', () => {
    traffic.pass(20 * HOUR);
    traffic.lose(12, withoutNumbers);
    expect(traffic.send(withoutNumbers).events).toMatchObject([{ event: 'tripped', action: 'block' }]);
  });

  it('is stepped up again after a day without a trip', () => {
    traffic.pass(HOUR + DAY + 1);
    traffic.lose(12, withoutNumbers);
    expect(traffic.send(withoutNumbers).events).toMatchObject([{ event: 'tripped', action: 'step_up' }]);
  });
});

describe('a country', () => {
  const policy = policyWith({ country: { lose: 5 } });
  const request = requestIn({ requester: [], numbers: [COUNTRY] });

  it('is stepped up and never blocked, however often it trips', () => {
    const traffic = new Traffic(policy);
    for (let i = 0; i < 20; i += 1) {
      traffic.lose(5, { ...request, proven: true });
      expect(traffic.send(request).events).toMatchObject([{ event: 'tripped', action: 'step_up' }]);
      expect(traffic.verdictOn({ ...request, proven: true })).toEqual({ outcome: 'send' });
    }
    expect(traffic.verdictOn(request)).toMatchObject({ outcome: 'step_up', scope: COUNTRY });
    expect(traffic.verdictOn({ ...request, knownNumber: true })).toEqual(traffic.verdictOn(request));
    expect(traffic.verdictOn({ ...request, knownNumber: true, proven: true })).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...request, knownDevice: true })).toEqual({ outcome: 'send' });
  });
});

describe('the whole system', () => {
  const request = requestIn(only(SYSTEM));

  /** Sends verified messages, all in this hour. */
  function busyHour(traffic: Traffic, messages: number): void {
    for (let i = 0; i < messages; i += 1) traffic.verify(traffic.send(request).admitted);
  }

  /** Sends concurrent unverified messages until the system trips. Returns their number. */
  function losesBeforeItTrips(traffic: Traffic, atMost: number): number {
    for (let lost = 0; lost < atMost; lost += 1) {
      if (traffic.send(request).events.length > 0) return lost;
    }
    return atMost;
  }

  /** Sends unverified messages. Returns true if the system trips when they are settled. */
  function tripsAt(traffic: Traffic, messages: number): boolean {
    expect(losesBeforeItTrips(traffic, messages)).toBe(messages);
    traffic.pass(SETTLED);
    return traffic.send(request).events.some(({ event, scope }) => event === 'tripped' && scope === SYSTEM);
  }

  it('trips after a thousand lost messages at the earliest, however busy the current hour is', () => {
    expect(tripsAt(new Traffic(), 999)).toBe(false);
    expect(tripsAt(new Traffic(), 1_000)).toBe(true);
  });

  it.each([
    [1_599, false],
    [1_600, true],
  ])('with 800 messages in its busiest hour trips after %d lost messages: %s', (messages, trips) => {
    const traffic = new Traffic();
    busyHour(traffic, 800);
    traffic.pass(HOUR);
    busyHour(traffic, 10);
    traffic.pass(HOUR);
    expect(tripsAt(traffic, messages)).toBe(trips);
  });

  it.each([
    [7, false],
    [8, true],
  ])('has forgotten its busiest hour after %d days: %s', (days, trips) => {
    const traffic = new Traffic();
    busyHour(traffic, 800);
    for (let i = 0; i < days; i += 1) {
      traffic.pass(DAY);
      busyHour(traffic, 1);
    }
    expect(tripsAt(traffic, 1_000)).toBe(trips);
    expect(traffic.of(SYSTEM).volume?.days.length).toBeLessThanOrEqual(7);
  });

  it('steps up all requests except for those of known devices', () => {
    const traffic = new Traffic();
    tripsAt(traffic, 1_000);
    expect(traffic.verdictOn(request)).toMatchObject({ outcome: 'step_up', scope: SYSTEM });
    expect(traffic.verdictOn({ ...request, proven: true })).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...request, knownNumber: true })).toEqual(traffic.verdictOn(request));
    expect(traffic.verdictOn({ ...request, knownDevice: true })).toEqual({ outcome: 'send' });
  });
});
