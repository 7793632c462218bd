import fc from 'fast-check';
import {
  ADDRESS,
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
import { times } from '../../../../test/support/repeat.js';
import { DEFAULT_POLICY } from '../policy.js';
import { type Admitted, recordFraud } from './breaker.js';
import { release, unverifiedWeight, verifiedWeight } from './scope-state.js';
import type { Scopes } from './scopes.js';

const u = unverifiedWeight(DEFAULT_POLICY);

describe('the blame for losses', () => {
  const policy = policyWith({ country: { lose: 60 } });
  const ranges = times(5, (i) => ({
    requester: [],
    numbers: [`numbers_10k:+3312${i}4`, `numbers_100k:+3312${i}`, COUNTRY],
  }));

  /** Sends unverified messages to one target after another. */
  function attack(traffic: Traffic, targets: Scopes[]): void {
    for (const scopes of targets.flatMap((target) => times(15, () => target))) {
      traffic.send(requestIn(scopes));
      traffic.pass(SETTLED);
    }
  }

  it('falls on the attacked number ranges and not on their country', () => {
    const traffic = new Traffic(policy);
    attack(traffic, ranges);
    expect(traffic.trippedScopes()).toEqual(ranges.map(({ numbers }) => numbers[0]));
    // Half of 14 messages for each range; one more per range was sent after the trip.
    for (const scope of [COUNTRY, SYSTEM]) expect(traffic.of(scope).evidence).toBeLessThanOrEqual(5 * 8 * u);
    for (const { numbers } of ranges)
      expect(traffic.of(numbers[1] as string).evidence).toBeLessThanOrEqual(8 * u);
    expect(traffic.verdictOn(requestIn(only(COUNTRY)))).toEqual({ outcome: 'send' });
  });

  it('falls on the country if ranges trip one after another, whatever else is verified in it', () => {
    const traffic = new Traffic();
    for (let i = 0; i < 17; i += 1) {
      const range = [`numbers_10k:+331${i}`, `numbers_100k:+33${i}`, COUNTRY];
      traffic.fill(requestIn({ requester: [], numbers: range }));
      for (let n = 0; n < 30; n += 1) traffic.verify(traffic.send(requestIn(only(COUNTRY))).admitted);
      traffic.pass(SETTLED);
      if (i < 5) expect(traffic.trippedScopes()).not.toContain(COUNTRY);
    }
    traffic.send(requestIn(only(COUNTRY)));
    expect(traffic.trippedScopes()).toEqual([COUNTRY]);
  });

  it('falls on the country if the same messages belong to no narrower scope', () => {
    const traffic = new Traffic(policy);
    attack(
      traffic,
      ranges.map(() => only(COUNTRY)),
    );
    expect(traffic.trippedScopes()).toContain(COUNTRY);
  });

  it('of an address is refunded to its network by half, but not to the scopes of the numbers', () => {
    const traffic = new Traffic();
    const request = requestIn({ requester: [ADDRESS, NETWORK], numbers: [COUNTRY] });
    traffic.lose(6, request);
    traffic.send(request);
    expect(traffic.trippedScopes()).toEqual([ADDRESS]);
    expect(traffic.of(NETWORK).evidence).toBeCloseTo(3 * u, 9);
    expect(traffic.of(SYSTEM).evidence).toBeCloseTo(3 * u, 9);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(6 * u, 9);
  });

  it('includes half of the unsettled messages of the blamed scope', () => {
    const traffic = new Traffic(policyWith({ numbers10k: { lose: 10, pending: 18 } }));
    const request = requestIn({ requester: [], numbers: [RANGE_10K, RANGE_100K, COUNTRY] });
    traffic.fill(request, 10);
    traffic.pass(50 * SECOND);
    traffic.fill(request, 7);
    traffic.fill(requestIn({ requester: [], numbers: [RANGE_100K, COUNTRY] }), 2);
    traffic.pass(20 * SECOND);
    traffic.send(request);
    expect(traffic.trippedScopes()).toEqual([RANGE_10K]);
    expect([RANGE_100K, COUNTRY, SYSTEM].map((scope) => traffic.unsettledIn(scope))).toEqual([6, 6, 6]);
  });
});

describe('a known device', () => {
  const scopes = { requester: [ADDRESS, NETWORK], numbers: [RANGE_10K, RANGE_100K, COUNTRY] };

  it('is judged like others from its second unanswered message on, and needs no proof until the fifth', () => {
    const traffic = new Traffic();
    const request = requestIn(scopes, { knownDevice: true, knownNumber: true });
    traffic.of(NETWORK).hold = { action: 'step_up', since: START, until: START + DAY, probeAt: null };
    const first = traffic.send(request).admitted;
    for (let i = 0; i < 4; i += 1) {
      const { verdict, admitted } = traffic.send(request);
      expect(verdict).toEqual({ outcome: 'send' });
      expect(admitted.scopes).toEqual([
        ...scopes.requester,
        ...scopes.numbers,
        SYSTEM,
        'device_lane:a number',
      ]);
      traffic.pass(SETTLED);
    }
    expect(traffic.verdictOn(request)).toMatchObject({ outcome: 'step_up' });
    expect(traffic.verdictOn({ ...request, proven: true })).toMatchObject({ outcome: 'send' });
    traffic.verify(first);
    traffic.verify(first);
    expect(traffic.verdictOn(request)).toEqual({ outcome: 'send' });
  });

  it('has its exemption back after a day', () => {
    const traffic = new Traffic();
    const request = requestIn(scopes, { knownDevice: true });
    traffic.send(request);
    traffic.pass(DAY + SETTLED);
    expect(traffic.send(request).admitted.scopes).toEqual(['device_lane:a number']);
  });

  it('is not affected by blocks, and is counted apart', () => {
    const traffic = new Traffic();
    const all = [...scopes.requester, ...scopes.numbers, SYSTEM];
    for (const scope of all) {
      traffic.of(scope).hold = { action: 'block', since: START, until: START + DAY, probeAt: START };
    }
    const { verdict, admitted } = traffic.send(requestIn(scopes, { knownDevice: true }));
    expect(verdict).toEqual({ outcome: 'send' });
    expect(admitted).toMatchObject({ scopes: ['device_lane:a number'], probes: [] });
    for (const scope of all) {
      expect(traffic.of(scope)).toMatchObject({ unsettled: [], hold: { probeAt: START } });
    }
    expect(traffic.verify(admitted)).toEqual([]);
  });
});

it.each([2, 5, 15, 60])(
  'forty verified numbers of one range get few unanswered messages in a day, asked for every %i minutes',
  (minutes) => {
    const traffic = new Traffic();
    const numbers = [RANGE_10K, RANGE_100K, COUNTRY];
    const of = (line: number, more = {}) =>
      requestIn(
        { requester: [`address:${line}`, `network:${line}`], numbers },
        { phoneIndex: `${line}`, ...more },
      );
    for (const line of times(40, (i) => i)) traffic.verify(traffic.send(of(line)).admitted);
    // The sign-ins of new numbers give the range credit, which is gone after an hour.
    traffic.pass(HOUR);
    let unanswered = 0;
    for (let minute = 0; minute < 24 * 60; minute += minutes) {
      for (const line of times(40, (i) => i))
        for (const knownDevice of [true, false]) {
          const request = of(line, { knownNumber: true, knownDevice, proven: true });
          if (traffic.send(request).verdict.outcome === 'send') unanswered += 1;
        }
      traffic.pass(minutes * MINUTE);
    }
    // The exemptions of forty numbers and of a device of each, and what blocks the range.
    expect(unanswered).toBeLessThanOrEqual(100);
    expect(unanswered).toBeGreaterThanOrEqual(80);
  },
);

describe('new networks', () => {
  const { newNetworkProofFrom, newNetworkMost } = DEFAULT_POLICY.breaker.country;
  const from = (i: number) => ({
    requester: [`network_16:10.${i}.0.0/16`],
    numbers: [`numbers_10k:+33${i}`, COUNTRY],
  });
  const walked = (messages: number) => {
    const traffic = new Traffic();
    for (let i = 0; i < messages; i += 1) traffic.send(requestIn(from(i), { proven: true }));
    return traffic;
  };

  it('share a budget of unanswered messages in a country: first they need a proof, then they wait', () => {
    const next = requestIn(from(newNetworkMost));
    expect(walked(newNetworkProofFrom - 1).verdictOn(next)).toEqual({ outcome: 'send' });
    const traffic = walked(newNetworkProofFrom);
    expect(traffic.verdictOn(next)).toMatchObject({ outcome: 'step_up', scope: COUNTRY });
    expect(traffic.verdictOn({ ...next, proven: true })).toEqual({ outcome: 'send' });
    const used = walked(newNetworkMost).verdictOn({ ...next, proven: true });
    expect(used).toMatchObject({ outcome: 'suspend', scope: COUNTRY });
  });

  it('get the budget back by half in an hour, and almost five times by a verified message', () => {
    const traffic = walked(newNetworkMost - 1);
    const next = requestIn(from(newNetworkMost), { proven: true });
    const { admitted } = traffic.send(next);
    expect(traffic.verdictOn(next).outcome).toBe('suspend');
    traffic.verify(admitted);
    expect(traffic.of(COUNTRY).newNetworks?.messages).toBeCloseTo(newNetworkMost - 1 - 3.795, 2);
    traffic.pass(HOUR);
    traffic.send(requestIn(from(newNetworkMost + 1), { proven: true }));
    expect(traffic.of(COUNTRY).newNetworks?.messages).toBeCloseTo((newNetworkMost - 4.795) / 2 + 1, 2);
  });

  it.each([
    ['a known device', true],
    ['a new number', false],
  ])('are new no more for a day after a sign-in of %s', (_, known) => {
    const traffic = new Traffic();
    const request = requestIn(from(newNetworkMost), { knownDevice: known, knownNumber: known, proven: true });
    traffic.verify(traffic.send(request).admitted);
    for (let i = 0; i < newNetworkMost + 5; i += 1) traffic.send(requestIn(from(i), { proven: true }));
    const newCustomer = requestIn(from(newNetworkMost), { phoneIndex: 'another number' });
    expect(traffic.verdictOn(newCustomer)).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn(requestIn(from(999), { proven: true })).outcome).toBe('suspend');
  });

  it('reach numbers that have signed in before, with the same proof as others', () => {
    const request = requestIn(from(newNetworkMost));
    const known = requestIn(from(newNetworkMost), { knownNumber: true });
    const traffic = walked(newNetworkMost);
    expect(traffic.verdictOn(known)).toEqual(traffic.verdictOn(request));
    expect(traffic.verdictOn({ ...known, proven: true })).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...known, knownDevice: true })).toEqual({ outcome: 'send' });
  });
});

describe('a known number', () => {
  it('counts in the scopes of its requester, and apart, until a message is unanswered', () => {
    const traffic = new Traffic();
    const scopes = { requester: [ADDRESS, NETWORK], numbers: [RANGE_10K, COUNTRY] };
    const { admitted } = traffic.send(requestIn(scopes, { knownNumber: true }));
    expect(admitted.scopes).toEqual([ADDRESS, NETWORK, 'number_lane:a number']);
    const unsettled = [ADDRESS, NETWORK, RANGE_10K, COUNTRY, SYSTEM].map((scope) =>
      traffic.unsettledIn(scope),
    );
    expect(unsettled).toEqual([1, 1, 0, 0, 0]);
  });

  it('counts in its range while that has unanswered messages, and earns it no credit', () => {
    const traffic = new Traffic();
    const scopes = { requester: [ADDRESS], numbers: [RANGE_10K, COUNTRY] };
    traffic.fill(requestIn({ requester: [], numbers: [RANGE_10K, COUNTRY] }), 2);
    const { admitted } = traffic.send(requestIn(scopes, { knownNumber: true }));
    expect(admitted.scopes).toEqual([ADDRESS, RANGE_10K, 'number_lane:a number']);
    expect(traffic.unsettledIn(RANGE_10K)).toBe(3);
    const { evidence } = traffic.of(RANGE_10K);
    traffic.verify(admitted);
    expect(traffic.unsettledIn(RANGE_10K)).toBe(2);
    expect(traffic.of(RANGE_10K).evidence).toBe(evidence);
  });

  it('gets the same answer as an unknown number of an attacked range once its exemption is used up', () => {
    const step = fc.record({
      waitMs: fc.constantFrom(0, 1_000, SETTLED, 11 * MINUTE, HOUR),
      proven: fc.boolean(),
      messages: fc.integer({ min: 0, max: 30 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const traffic = new Traffic();
        const scopes = { requester: [ADDRESS], numbers: [RANGE_10K, RANGE_100K, COUNTRY] };
        const known = requestIn(scopes, { phoneIndex: 'a known number', knownNumber: true });
        const unknown = requestIn(scopes, { phoneIndex: 'an unknown number' });
        traffic.send(known);
        for (const { waitMs, proven, messages } of steps) {
          traffic.pass(waitMs);
          const others = requestIn(
            { ...scopes, requester: [NETWORK] },
            { phoneIndex: 'another number', proven },
          );
          for (let i = 0; i < messages; i += 1) traffic.send(others);
          for (const solved of [false, true])
            expect(traffic.verdictOn({ ...known, proven: solved })).toEqual(
              traffic.verdictOn({ ...unknown, proven: solved }),
            );
        }
      }),
    );
  });

  it('gets the same answer as an unknown number from an address or network that tripped', () => {
    const step = fc.record({
      waitMs: fc.constantFrom(0, 1_000, SETTLED, 20 * MINUTE, 2 * HOUR),
      knownNumber: fc.boolean(),
      proven: fc.boolean(),
      verifies: fc.boolean(),
      messages: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const traffic = new Traffic();
        const request = requestIn({ requester: [ADDRESS, NETWORK], numbers: [] });
        for (const { waitMs, knownNumber, proven, verifies, messages } of steps) {
          traffic.pass(waitMs);
          for (let i = 0; i < messages; i += 1) {
            const { admitted, verdict } = traffic.send({ ...request, knownNumber, proven });
            if (verifies && verdict.outcome === 'send') traffic.verify(admitted);
          }
          expect(traffic.verdictOn({ ...request, knownNumber: true })).toEqual(traffic.verdictOn(request));
        }
      }),
    );
  });
});

describe('a fraud report of the provider', () => {
  const request = requestIn({ requester: [ADDRESS, NETWORK], numbers: [RANGE_10K, RANGE_100K, COUNTRY] });

  it('counts as several unverified messages in each scope of the message', () => {
    const traffic = new Traffic();
    const { admitted } = traffic.send(request);
    recordFraud(traffic.policy, traffic, admitted, traffic.now);
    for (const scope of admitted.scopes) {
      expect(traffic.of(scope).evidence).toBeCloseTo(DEFAULT_POLICY.breaker.fraudSignalMessages * u);
    }
  });

  it('steps up the address at once, and a second report blocks the number range', () => {
    const traffic = new Traffic();
    const elsewhere = (i: number) => requestIn({ requester: [`address:192.0.2.${i}`], numbers: [RANGE_10K] });
    recordFraud(traffic.policy, traffic, traffic.send(elsewhere(1)).admitted, traffic.now);
    expect(traffic.verdictOn(elsewhere(1))).toMatchObject({ outcome: 'step_up', scope: 'address:192.0.2.1' });
    expect(traffic.verdictOn(elsewhere(2))).toEqual({ outcome: 'send' });
    recordFraud(traffic.policy, traffic, traffic.send(elsewhere(2)).admitted, traffic.now);
    expect(traffic.verdictOn(elsewhere(3))).toMatchObject({ outcome: 'suspend', scope: RANGE_10K });
  });

  it('is outweighed by verified messages, like other evidence', () => {
    const traffic = new Traffic();
    const { admitted } = traffic.send(request);
    recordFraud(traffic.policy, traffic, admitted, traffic.now);
    for (let i = 0; i < 3; i += 1) traffic.verify(traffic.send(requestIn(only(COUNTRY))).admitted);
    expect(traffic.of(COUNTRY).evidence).toBe(0);
  });
});

describe('a crowded message', () => {
  it('whose code is typed in makes its country less crowded', () => {
    const traffic = new Traffic();
    const request = requestIn({ requester: [], numbers: [RANGE_10K, RANGE_100K, COUNTRY] });
    const sent = times(6, () => traffic.send(request).admitted);
    expect(sent.map(({ crowding }) => crowding)).toEqual([0, 0.25, 0.5, 0.75, 1, 1]);
    expect(traffic.of(COUNTRY).crowd?.messages).toBe(3.5);
    traffic.verify(sent[1] as Admitted);
    const taken = 0.25 * (1 + verifiedWeight(traffic.policy) / u);
    expect(traffic.of(COUNTRY).crowd?.messages).toBeCloseTo(3.5 - taken, 9);
  });
});

describe('monitor mode', () => {
  it('returns the same verdicts, and counts messages that are sent in spite of them', () => {
    const traffic = new Traffic();
    const request = requestIn(only(RANGE_10K));
    const verdicts = times(25, () => traffic.send(request, false).verdict.outcome);
    expect(verdicts).toEqual([...times(10, () => 'send'), ...times(15, () => 'suspend')]);
    expect(traffic.unsettledIn(RANGE_10K)).toBe(25);
    traffic.pass(SETTLED);
    expect(traffic.send(request, false).events).toMatchObject([{ event: 'tripped', scope: RANGE_10K }]);
    expect(traffic.unsettledIn(RANGE_10K)).toBe(1);
  });

  it('is the only mode in which refused messages are counted', () => {
    const traffic = new Traffic();
    const request = requestIn(only(RANGE_10K));
    traffic.fill(request);
    for (let i = 0; i < 5; i += 1) traffic.send(request);
    expect(traffic.unsettledIn(RANGE_10K)).toBe(10);
    expect(traffic.unsettledIn(SYSTEM)).toBe(10);
  });
});

it('keeps states valid and small in any sequence of messages', () => {
  const scopes = fc.record({
    requester: fc
      .tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 1 }))
      .map(([a, n]) => [`address:${a}`, `network:${n}`]),
    numbers: fc
      .tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 1 }))
      .map(([b, w]) => [`numbers_10k:${b}`, `numbers_100k:${w}`, COUNTRY]),
  });
  const mostly = (value: boolean) => fc.constantFrom(value, value, value, !value);
  const sending = fc.record({
    do: fc.constant('send' as const),
    request: fc.record({
      scopes,
      phoneIndex: fc.constantFrom('one number', 'another'),
      knownNumber: mostly(false),
      knownDevice: mostly(false),
      proven: fc.boolean(),
    }),
    messages: fc.integer({ min: 1, max: 15 }),
    enforced: mostly(true),
  });
  const verifying = fc.record({ do: fc.constant('verify' as const), which: fc.nat() });
  const passing = fc.record({
    do: fc.constant('pass' as const),
    ms: fc.oneof(fc.integer({ min: 1, max: 30_000 }), fc.constantFrom(SETTLED, 10 * MINUTE, HOUR, DAY)),
  });
  const releasing = fc.record({ do: fc.constant('release' as const), scope: scopes });

  fc.assert(
    fc.property(
      fc.array(fc.oneof(sending, sending, verifying, verifying, passing, releasing), { maxLength: 120 }),
      (events) => {
        const traffic = new Traffic(policyWith({ country: { lose: 15 }, system: { lose: 30 } }));
        const open: Admitted[] = [];
        for (const event of events) {
          if (event.do === 'pass') traffic.pass(event.ms);
          if (event.do === 'release') release(RANGE_10K, traffic.of(event.scope.numbers[0] as string));
          if (event.do === 'verify' && open.length > 0)
            for (const message of open.splice(event.which % open.length, 1)) traffic.verify(message);
          if (event.do === 'send')
            for (let i = 0; i < event.messages; i += 1) {
              const { verdict, admitted } = traffic.send(event.request, event.enforced);
              if (verdict.outcome === 'send' || !event.enforced) open.push(admitted);
            }
          for (const { evidence, unsettled, verified, volume } of traffic.all) {
            expect(Number.isFinite(evidence)).toBe(true);
            expect(evidence).toBeGreaterThanOrEqual(0);
            expect(Math.min(0, ...unsettled.map(([, messages]) => messages))).toBe(0);
            expect(unsettled.length).toBeLessThanOrEqual(14);
            expect(verified).toBeLessThan(Number.MAX_SAFE_INTEGER);
            expect(volume?.days.length ?? 0).toBeLessThanOrEqual(7);
          }
        }
      },
    ),
    { numRuns: 150 },
  );
});
