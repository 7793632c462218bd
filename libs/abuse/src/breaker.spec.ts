import fc from 'fast-check';
import {
  type Admitted,
  admit,
  lifeMs,
  newScopeState,
  release,
  type ScopeState,
  type Scopes,
  type Sender,
  type States,
  SYSTEM,
  suspected,
  type Turn,
  unverifiedWeight,
  type Verdict,
  verified,
  verifiedWeight,
} from './breaker.js';
import { DEFAULT_POLICY, type Policy, type ScopePolicy } from './policy.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Whatever was sent is settled after this, whenever in its slot of time it was sent. */
const SETTLED = 70 * SECOND;
/** A Monday at noon: the first moment of an hour. */
const START = Date.UTC(2026, 0, 5, 12);

const ADDRESS = 'address:192.0.2.1';
const NETWORK = 'network:192.0.2.0/24';
const BLOCK = 'numbers_10k:+331234';
const WIDER_BLOCK = 'numbers_100k:+33123';
const COUNTRY = 'country:FR';

const { breaker } = DEFAULT_POLICY;
const u = unverifiedWeight(DEFAULT_POLICY);

const times = <T>(n: number, what: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => what(i));

function policyWith(overrides: Partial<Record<keyof Policy['breaker'], Partial<ScopePolicy>>>): Policy {
  const members = Object.entries(overrides).map(([name, given]) => {
    return [name, { ...(breaker[name as keyof Policy['breaker']] as ScopePolicy), ...given }];
  });
  return { ...DEFAULT_POLICY, breaker: { ...breaker, ...Object.fromEntries(members) } };
}

/** The scopes of a message of which only one matters. */
function only(scope: string): Scopes {
  if (scope === SYSTEM) return { sender: [], numbers: [] };
  const isSender = scope === ADDRESS || scope === NETWORK;
  return isSender ? { sender: [scope], numbers: [] } : { sender: [], numbers: [scope] };
}

const from = (scopes: Scopes, who: Partial<Sender> = {}): Sender => {
  return { scopes, known: false, device: false, proven: false, ...who };
};

/** Messages as they come, by a clock of their own. */
class Traffic implements States {
  now = START;
  readonly turns: Turn[] = [];
  private states = new Map<string, ScopeState>();

  constructor(readonly policy: Policy = DEFAULT_POLICY) {}

  of(scope: string): ScopeState {
    const state = this.states.get(scope) ?? newScopeState();
    this.states.set(scope, state);
    return state;
  }

  get all(): ScopeState[] {
    return [...this.states.values()];
  }

  pass(ms: number): void {
    this.now += ms;
  }

  send(sender: Sender, enforced = true): { verdict: Verdict; admitted: Admitted; turns: Turn[] } {
    const decision = admit(this.policy, this, sender, this.now, enforced);
    this.turns.push(...decision.turns);
    return decision;
  }

  /** What would be said to this message, of which nothing remains. */
  verdictOn(sender: Sender): Verdict {
    const copy = new Traffic(this.policy);
    copy.states = structuredClone(this.states);
    copy.now = this.now;
    return copy.send(sender).verdict;
  }

  verify(message: Admitted): Turn[] {
    const turns = verified(this.policy, this, message, this.now);
    this.turns.push(...turns);
    return turns;
  }

  /** One message after another that nobody verifies; only settled ones are left behind. */
  lose(messages: number, sender: Sender): void {
    for (let i = 0; i < messages; i += 1) {
      expect(this.send(sender).verdict).toEqual({ outcome: 'send' });
      this.pass(SETTLED);
    }
  }

  /** Sends until a message is objected to, all at once. */
  fill(sender: Sender, most = 10_000): number {
    for (let sent = 0; sent < most; sent += 1) {
      if (this.send(sender).verdict.outcome !== 'send') return sent;
    }
    return most;
  }

  unsettledIn(scope: string): number {
    return this.of(scope).unsettled.reduce((sum, [, messages]) => sum + messages, 0);
  }

  trippedScopes(): string[] {
    return this.turns.filter(({ event }) => event === 'tripped').map(({ scope }) => scope);
  }
}

describe('the evidence', () => {
  it('weighs messages by their likelihoods among pumpers and among the worst of genuine senders', () => {
    expect(unverifiedWeight(DEFAULT_POLICY)).toBeCloseTo(0.896, 3);
    expect(verifiedWeight(DEFAULT_POLICY)).toBeCloseTo(3.4, 2);
  });

  it('grows by every message that is not verified in time, and not before', () => {
    const traffic = new Traffic();
    const sender = from(only(COUNTRY));
    traffic.send(sender);
    traffic.send(sender);
    traffic.pass(60 * SECOND - 1);
    traffic.send(sender);
    expect(traffic.of(COUNTRY).evidence).toBe(0);
    traffic.pass(10 * SECOND);
    traffic.send(sender);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(2 * u, 9);
  });

  it('shrinks by every message that is verified in time, which leaves no trace of its own', () => {
    const traffic = new Traffic();
    const sender = from(only(COUNTRY));
    traffic.lose(5, sender);
    const { admitted } = traffic.send(sender);
    traffic.verify(admitted);
    traffic.pass(SETTLED);
    traffic.send(sender);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(5 * 0.896 - 3.4, 2);
  });

  it('is the same after a late verification as after one in time', () => {
    const traffic = new Traffic();
    const sender = from(only(COUNTRY));
    const { admitted } = traffic.send(sender);
    traffic.pass(SETTLED);
    traffic.lose(5, sender);
    traffic.send(sender);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(6 * u, 9);
    traffic.verify(admitted);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(5 * 0.896 - 3.4, 2);
  });

  it('is never less than nothing, so that no credit is saved up for an attack', () => {
    const traffic = new Traffic();
    const sender = from(only(COUNTRY));
    for (let i = 0; i < 50; i += 1) traffic.verify(traffic.send(sender).admitted);
    expect(traffic.of(COUNTRY).evidence).toBe(0);
    traffic.pass(SETTLED);
    traffic.lose(1, sender);
    traffic.send(sender);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(u, 9);
  });

  it.each([
    ['address', ADDRESS, 6, 'step_up', HOUR],
    ['network', NETWORK, 12, 'step_up', HOUR],
    ['10,000 numbers', BLOCK, 14, 'block', 12 * HOUR],
    ['100,000 numbers', WIDER_BLOCK, 40, 'block', 12 * HOUR],
    ['country', COUNTRY, 300, 'step_up', HOUR],
    ['whole system', SYSTEM, 1_000, 'step_up', HOUR],
  ])('of the %s trips it at exactly so many lost messages', (_, scope, lose, action, holdMs) => {
    const traffic = new Traffic();
    const sender = from(only(scope));
    traffic.lose(lose, sender);
    expect(traffic.turns).toEqual([]);
    const { verdict, turns } = traffic.send(sender);
    expect(turns).toEqual([{ event: 'tripped', scope, action, until: traffic.now + holdMs }]);
    expect(verdict.outcome).toBe(action === 'block' ? 'suspend' : 'step_up');
    expect(traffic.of(scope)).toMatchObject({ evidence: 0, unsettled: [], trips: 1 });
  });

  it('trips nothing among genuine senders, the worst of whom verify six of ten', () => {
    const traffic = new Traffic();
    const sender = from({ sender: [ADDRESS, NETWORK], numbers: [BLOCK, WIDER_BLOCK, COUNTRY] });
    for (let i = 0; i < 1_000; i += 1) {
      const { admitted } = traffic.send(sender);
      if ((i * 7) % 10 < 6) traffic.verify(admitted);
      traffic.pass(SETTLED);
    }
    expect(traffic.turns).toEqual([]);
  });
});

describe('what may be unsettled at once', () => {
  const caps = [
    ['address', ADDRESS, 4, 3, 'step_up'],
    ['network', NETWORK, 12, 4, 'step_up'],
    ['10,000 numbers', BLOCK, 20, 4, 'suspend'],
    ['100,000 numbers', WIDER_BLOCK, 60, 4, 'suspend'],
    ['country', COUNTRY, 600, 4, 'step_up'],
  ] as const;

  it.each(caps)('in the %s is exactly so much', (_, scope, pending, __, outcome) => {
    const traffic = new Traffic();
    expect(traffic.fill(from(only(scope)))).toBe(pending);
    expect(traffic.unsettledIn(scope)).toBe(pending);
    expect(traffic.verdictOn(from(only(scope)))).toMatchObject({ outcome, scope });
  });

  it.each(caps)('in the %s is more for every verified message', (_, scope, pending, credit) => {
    const traffic = new Traffic();
    const sender = from(only(scope));
    const messages = times(pending, () => traffic.send(sender).admitted);
    for (const message of messages.slice(0, 2)) traffic.verify(message);
    traffic.fill(sender);
    expect(traffic.unsettledIn(scope)).toBe(pending + 2 * credit);
  });

  it('is not limited in the whole system', () => {
    expect(new Traffic().fill(from(only(SYSTEM)), 5_000)).toBe(5_000);
  });

  it('counts the credit half after ten minutes', () => {
    const traffic = new Traffic();
    const sender = from(only(BLOCK));
    for (let i = 0; i < 10; i += 1) traffic.verify(traffic.send(sender).admitted);
    traffic.pass(600 * SECOND);
    traffic.fill(sender);
    expect(traffic.unsettledIn(BLOCK)).toBe(20 + 4 * 5);
  });

  it('has room again when a code is typed in', () => {
    const traffic = new Traffic();
    const sender = from(only(BLOCK));
    const { admitted } = traffic.send(sender);
    traffic.fill(sender);
    expect(traffic.verdictOn(sender)).toMatchObject({ outcome: 'suspend' });
    traffic.verify(admitted);
    expect(traffic.fill(sender)).toBe(1 + 4);
  });

  it('tells whoever is early when the oldest of them settle', () => {
    const traffic = new Traffic();
    traffic.pass(1_234);
    const sender = from(only(BLOCK));
    traffic.fill(sender);
    const verdict = traffic.verdictOn(sender);
    if (verdict.outcome !== 'suspend') throw new Error(`it is ${verdict.outcome}`);
    traffic.pass(verdict.retryAfterMs - 1);
    expect(traffic.send(sender).turns).toEqual([]);
    traffic.pass(1);
    expect(traffic.send(sender).turns).toMatchObject([{ event: 'tripped', scope: BLOCK }]);
  });

  it.each([
    ['fast', 100],
    ['slow', 3 * SECOND],
    ['slower', 30 * SECOND],
  ])('pays a %s attack no more than it pays at once, because what is lost takes room', (_, everyMs) => {
    const traffic = new Traffic();
    const sender = from(only(BLOCK));
    let paid = 0;
    for (let i = 0; i < 500 && traffic.of(BLOCK).hold === null; i += 1) {
      if (traffic.send(sender).verdict.outcome === 'send') paid += 1;
      traffic.pass(everyMs);
    }
    expect(paid).toBeLessThanOrEqual(20);
    expect(paid).toBeGreaterThanOrEqual(14);
  });

  it('leaves room for one message at least, by which a scope can trip or recover', () => {
    const traffic = new Traffic();
    const sender = from(only(ADDRESS));
    traffic.lose(6, sender);
    expect(traffic.send(sender).turns).toMatchObject([{ event: 'tripped', scope: ADDRESS }]);
  });

  it('stays small when replicas with different clocks take turns', () => {
    const traffic = new Traffic();
    const sender = from(only(COUNTRY));
    for (let i = 0; i < 100; i += 1) {
      traffic.now = START + (i % 2) * 5 * SECOND;
      traffic.send(sender);
    }
    expect(traffic.of(COUNTRY).unsettled.length).toBeLessThanOrEqual(14);
    expect(traffic.unsettledIn(COUNTRY)).toBe(100);
  });
});

describe('the blame', () => {
  const policy = policyWith({ country: { lose: 60 } });
  const blocks = times(5, (i) => ({
    sender: [],
    numbers: [`numbers_10k:+3312${i}4`, `numbers_100k:+3312${i}`, COUNTRY],
  }));

  /** Unverified messages to one block after another. */
  function attack(traffic: Traffic, targets: Scopes[]): void {
    for (const scopes of targets.flatMap((target) => times(15, () => target))) {
      traffic.send(from(scopes));
      traffic.pass(SETTLED);
    }
  }

  it('is on the blocks that are attacked, and the country has nothing to do with it', () => {
    const traffic = new Traffic(policy);
    attack(traffic, blocks);
    expect(traffic.trippedScopes()).toEqual(blocks.map(({ numbers }) => numbers[0]));
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(0, 9);
    expect(traffic.of(SYSTEM).evidence).toBeCloseTo(0, 9);
    for (const { numbers } of blocks) expect(traffic.of(numbers[1] as string).evidence).toBeCloseTo(0, 9);
    expect(traffic.verdictOn(from(only(COUNTRY)))).toEqual({ outcome: 'send' });
  });

  it('would be on the country for the very same messages if nothing were given back', () => {
    const traffic = new Traffic(policy);
    attack(
      traffic,
      blocks.map(() => only(COUNTRY)),
    );
    expect(traffic.trippedScopes()).toContain(COUNTRY);
  });

  it('of a sender is given back to its network, and to nobody on the side of the numbers', () => {
    const traffic = new Traffic();
    const sender = from({ sender: [ADDRESS, NETWORK], numbers: [COUNTRY] });
    traffic.lose(6, sender);
    traffic.send(sender);
    expect(traffic.trippedScopes()).toEqual([ADDRESS]);
    expect(traffic.of(NETWORK).evidence).toBeCloseTo(0, 9);
    expect(traffic.of(SYSTEM).evidence).toBeCloseTo(0, 9);
    expect(traffic.of(COUNTRY).evidence).toBeCloseTo(6 * u, 9);
  });

  it('covers what is unsettled, of others nothing', () => {
    const traffic = new Traffic(policyWith({ numbers10k: { lose: 10 } }));
    const sender = from({ sender: [], numbers: [BLOCK, WIDER_BLOCK, COUNTRY] });
    traffic.fill(sender, 10);
    traffic.pass(50 * SECOND);
    traffic.fill(sender, 7);
    traffic.fill(from({ sender: [], numbers: [WIDER_BLOCK, COUNTRY] }), 2);
    traffic.pass(20 * SECOND);
    traffic.send(sender);
    expect(traffic.trippedScopes()).toEqual([BLOCK]);
    expect([WIDER_BLOCK, COUNTRY, SYSTEM].map((scope) => traffic.unsettledIn(scope))).toEqual([2, 2, 2]);
  });
});

describe('a block of 10,000 numbers that is held back', () => {
  const sender = from({ sender: [], numbers: [BLOCK, WIDER_BLOCK, COUNTRY] });
  let traffic: Traffic;

  beforeEach(() => {
    traffic = new Traffic();
    traffic.lose(14, sender);
    traffic.send(sender);
  });

  it('lets one message through every ten minutes', () => {
    const probe = (waitMs: number) => {
      traffic.pass(waitMs);
      return traffic.send(sender).verdict;
    };
    expect(probe(0)).toEqual({ outcome: 'suspend', scope: BLOCK, retryAfterMs: 10 * MINUTE });
    expect(probe(10 * MINUTE - 1)).toEqual({ outcome: 'suspend', scope: BLOCK, retryAfterMs: 1 });
    expect(probe(1)).toEqual({ outcome: 'send' });
    expect(probe(0)).toEqual({ outcome: 'suspend', scope: BLOCK, retryAfterMs: 10 * MINUTE });
    expect(probe(10 * MINUTE)).toEqual({ outcome: 'send' });
  });

  it('is released by a probe that is verified', () => {
    const { until } = traffic.of(BLOCK).hold as NonNullable<ScopeState['hold']>;
    traffic.pass(10 * MINUTE);
    const { admitted } = traffic.send(sender);
    expect(admitted.probes).toEqual([BLOCK]);
    traffic.pass(20 * SECOND);
    expect(traffic.verify(admitted)).toEqual([{ event: 'released', scope: BLOCK, action: 'block', until }]);
    expect(traffic.fill(sender, 20)).toBe(20);
  });

  it('is not released by a probe that nobody verifies', () => {
    traffic.pass(10 * MINUTE);
    traffic.send(sender);
    traffic.pass(SETTLED);
    expect(traffic.send(sender).verdict).toMatchObject({ outcome: 'suspend', scope: BLOCK });
  });

  it('is not released by a message of before', () => {
    const { admitted } = new Traffic().send(sender);
    expect(traffic.verify(admitted)).toEqual([]);
    expect(traffic.of(BLOCK).hold).not.toBeNull();
  });

  it('keeps its probe when another scope holds the message back', () => {
    traffic.of(WIDER_BLOCK).hold = { action: 'block', since: START, until: START + DAY, probeAt: null };
    traffic.pass(10 * MINUTE);
    expect(traffic.send(sender).verdict).toMatchObject({ outcome: 'suspend', scope: WIDER_BLOCK });
    traffic.of(WIDER_BLOCK).hold = null;
    expect(traffic.send(sender).verdict).toEqual({ outcome: 'send' });
  });

  it('never asks for more patience than the hold lasts', () => {
    const { until } = traffic.of(BLOCK).hold as NonNullable<ScopeState['hold']>;
    traffic.pass(until - traffic.now - 4 * MINUTE);
    expect(traffic.send(sender).verdict).toEqual({ outcome: 'send' });
    expect(traffic.send(sender).verdict).toMatchObject({ retryAfterMs: 4 * MINUTE });
  });

  it('says nothing against a number that signed in before, nor against a known device', () => {
    expect(traffic.verdictOn({ ...sender, known: true })).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...sender, device: true })).toEqual({ outcome: 'send' });
  });

  it('is not to be bought off by a proof of work', () => {
    expect(traffic.verdictOn({ ...sender, proven: true })).toMatchObject({ outcome: 'suspend' });
  });

  it('is free when the time is over', () => {
    traffic.pass(12 * HOUR - 1);
    traffic.of(BLOCK).hold = {
      ...(traffic.of(BLOCK).hold as NonNullable<ScopeState['hold']>),
      probeAt: null,
    };
    expect(traffic.send(sender).verdict).toMatchObject({ outcome: 'suspend', retryAfterMs: 1 });
    traffic.pass(1);
    const { verdict, turns } = traffic.send(sender);
    expect(verdict).toEqual({ outcome: 'send' });
    expect(turns).toEqual([{ event: 'released', scope: BLOCK, action: 'block', until: traffic.now }]);
  });
});

it('a block of 100,000 numbers that is held back lets nothing through', () => {
  const traffic = new Traffic();
  const sender = from(only(WIDER_BLOCK));
  traffic.lose(40, sender);
  traffic.send(sender);
  traffic.pass(HOUR);
  expect(traffic.send(sender).verdict).toEqual({
    outcome: 'suspend',
    scope: WIDER_BLOCK,
    retryAfterMs: 11 * HOUR,
  });
});

describe('a network', () => {
  const unknown = from({ sender: [NETWORK], numbers: [BLOCK] });
  const known = { ...unknown, known: true };
  const proven = { ...unknown, proven: true };
  const stranger = from({ sender: [NETWORK], numbers: [] });
  let traffic: Traffic;

  beforeEach(() => {
    traffic = new Traffic();
    traffic.lose(12, stranger);
    traffic.send(stranger);
  });

  const goOn = () => {
    traffic.lose(12, { ...stranger, proven: true });
    return traffic.send(stranger).turns;
  };

  it('that trips is stepped up, and whoever proves their work passes', () => {
    expect(traffic.verdictOn(unknown)).toMatchObject({ outcome: 'step_up', scope: NETWORK });
    expect(traffic.verdictOn(known)).toMatchObject({ outcome: 'step_up', scope: NETWORK });
    expect(traffic.verdictOn(proven)).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...known, proven: true })).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...unknown, device: true })).toEqual({ outcome: 'send' });
  });

  it('that goes on all the same is held back for six hours, with one answer for all numbers', () => {
    const turns = goOn();
    const until = traffic.now + 6 * HOUR;
    expect(turns).toEqual([{ event: 'tripped', scope: NETWORK, action: 'block', until }]);
    expect(traffic.verdictOn(proven)).toEqual({
      outcome: 'suspend',
      scope: NETWORK,
      retryAfterMs: 6 * HOUR,
    });
    for (const sender of [unknown, known, { ...known, proven: true }])
      expect(traffic.verdictOn(sender)).toEqual(traffic.verdictOn(proven));
    expect(traffic.verdictOn({ ...unknown, device: true })).toEqual({ outcome: 'send' });
    traffic.pass(6 * HOUR);
    expect(traffic.verdictOn(unknown)).toEqual({ outcome: 'send' });
  });

  it('that trips again hours after it was stepped up is held back', () => {
    traffic.pass(20 * HOUR);
    traffic.lose(12, stranger);
    expect(traffic.send(stranger).turns).toMatchObject([{ event: 'tripped', action: 'block' }]);
  });

  it('that was left in peace for a day begins anew', () => {
    traffic.pass(HOUR + DAY + 1);
    traffic.lose(12, stranger);
    expect(traffic.send(stranger).turns).toMatchObject([{ event: 'tripped', action: 'step_up' }]);
  });
});

describe('a country', () => {
  const policy = policyWith({ country: { lose: 5 } });
  const sender = from({ sender: [], numbers: [COUNTRY] });

  it('never blocks, however often it trips', () => {
    const traffic = new Traffic(policy);
    for (let i = 0; i < 20; i += 1) {
      traffic.lose(5, { ...sender, proven: true });
      expect(traffic.send(sender).turns).toMatchObject([{ event: 'tripped', action: 'step_up' }]);
      expect(traffic.verdictOn({ ...sender, proven: true })).toEqual({ outcome: 'send' });
    }
    expect(traffic.verdictOn(sender)).toMatchObject({ outcome: 'step_up', scope: COUNTRY });
    expect(traffic.verdictOn({ ...sender, known: true })).toEqual(traffic.verdictOn(sender));
    expect(traffic.verdictOn({ ...sender, known: true, proven: true })).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...sender, device: true })).toEqual({ outcome: 'send' });
  });
});

describe('the whole system', () => {
  const anybody = from(only(SYSTEM));

  /** So many genuine messages within this hour. */
  function busyHour(traffic: Traffic, messages: number): void {
    for (let i = 0; i < messages; i += 1) traffic.verify(traffic.send(anybody).admitted);
  }

  /** How many unverified ones it takes from now on, all within one hour. */
  function losesBeforeItTrips(traffic: Traffic, atMost: number): number {
    for (let lost = 0; lost < atMost; lost += 1) {
      if (traffic.send(anybody).turns.length > 0) return lost;
    }
    return atMost;
  }

  /** Whether it has tripped once so many unverified ones are settled. */
  function tripsAt(traffic: Traffic, messages: number): boolean {
    expect(losesBeforeItTrips(traffic, messages)).toBe(messages);
    traffic.pass(SETTLED);
    return traffic.send(anybody).turns.some(({ event, scope }) => event === 'tripped' && scope === SYSTEM);
  }

  it('may lose a thousand at least, and the hour under way does not raise it', () => {
    expect(tripsAt(new Traffic(), 999)).toBe(false);
    expect(tripsAt(new Traffic(), 1_000)).toBe(true);
  });

  it.each([
    [1_599, false],
    [1_600, true],
  ])('may lose twice the busiest hour of before: %d when it was 800 is %s', (messages, trips) => {
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
  ])('knows an hour of %d days ago no more: %s', (days, trips) => {
    const traffic = new Traffic();
    busyHour(traffic, 800);
    for (let i = 0; i < days; i += 1) {
      traffic.pass(DAY);
      busyHour(traffic, 1);
    }
    expect(tripsAt(traffic, 1_000)).toBe(trips);
    expect(traffic.of(SYSTEM).volume?.days.length).toBeLessThanOrEqual(7);
  });

  it('steps everybody up but known devices', () => {
    const traffic = new Traffic();
    tripsAt(traffic, 1_000);
    expect(traffic.verdictOn(anybody)).toMatchObject({ outcome: 'step_up', scope: SYSTEM });
    expect(traffic.verdictOn({ ...anybody, proven: true })).toEqual({ outcome: 'send' });
    expect(traffic.verdictOn({ ...anybody, known: true })).toEqual(traffic.verdictOn(anybody));
    expect(traffic.verdictOn({ ...anybody, device: true })).toEqual({ outcome: 'send' });
  });
});

describe('a known device', () => {
  const scopes = { sender: [ADDRESS, NETWORK], numbers: [BLOCK, WIDER_BLOCK, COUNTRY] };

  it('passes whatever is held back, and leaves nothing behind', () => {
    const traffic = new Traffic();
    const all = [...scopes.sender, ...scopes.numbers, SYSTEM];
    for (const scope of all) {
      traffic.of(scope).hold = { action: 'block', since: START, until: START + DAY, probeAt: START };
    }
    const { verdict, admitted } = traffic.send(from(scopes, { device: true }));
    expect(verdict).toEqual({ outcome: 'send' });
    expect(admitted).toMatchObject({ scopes: [], probes: [] });
    for (const scope of all) {
      expect(traffic.of(scope)).toMatchObject({ unsettled: [], hold: { probeAt: START } });
    }
    expect(traffic.verify(admitted)).toEqual([]);
  });
});

describe('a number that signed in before', () => {
  it('counts for and against its sender only', () => {
    const traffic = new Traffic();
    const scopes = { sender: [ADDRESS, NETWORK], numbers: [BLOCK, COUNTRY] };
    const { admitted } = traffic.send(from(scopes, { known: true }));
    expect(admitted.scopes).toEqual([ADDRESS, NETWORK]);
    const unsettled = [ADDRESS, NETWORK, BLOCK, COUNTRY, SYSTEM].map((scope) => traffic.unsettledIn(scope));
    expect(unsettled).toEqual([1, 1, 0, 0, 0]);
  });

  it('cannot be told from another by whoever proves nothing and is held back for where they come from', () => {
    const event = fc.record({
      waitMs: fc.constantFrom(0, 1_000, SETTLED, 20 * MINUTE, 2 * HOUR),
      known: fc.boolean(),
      proven: fc.boolean(),
      verifies: fc.boolean(),
      messages: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const traffic = new Traffic();
        const sender = from({ sender: [ADDRESS, NETWORK], numbers: [] });
        for (const { waitMs, known, proven, verifies, messages } of events) {
          traffic.pass(waitMs);
          for (let i = 0; i < messages; i += 1) {
            const { admitted, verdict } = traffic.send({ ...sender, known, proven });
            if (verifies && verdict.outcome === 'send') traffic.verify(admitted);
          }
          expect(traffic.verdictOn({ ...sender, known: true })).toEqual(traffic.verdictOn(sender));
        }
      }),
    );
  });
});

describe('the work of a proof', () => {
  const sender = from({ sender: [ADDRESS], numbers: [] });
  const proven = { ...sender, proven: true };
  const { hashes, mostHashes } = DEFAULT_POLICY.proof;

  function hashesFor(traffic: Traffic, who = sender): number {
    const verdict = traffic.verdictOn(who);
    if (verdict.outcome !== 'step_up') throw new Error(`it is ${verdict.outcome}`);
    return verdict.hashes;
  }

  it('doubles with each trip, up to a limit', () => {
    const traffic = new Traffic();
    const asked = times(12, () => {
      traffic.lose(6, proven);
      traffic.send(sender);
      return hashesFor(traffic);
    });
    expect(asked).toEqual(times(12, (i) => Math.min(mostHashes, hashes * 2 ** i)));
    expect(asked.at(-1)).toBe(mostHashes);
  });

  it('grows with what is unsettled', () => {
    const traffic = new Traffic();
    traffic.lose(6, proven);
    traffic.send(sender);
    const asked = times(13, () => {
      const before = hashesFor(traffic);
      traffic.send(proven);
      return before / hashes;
    });
    expect(asked).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 4]);
  });

  it('is that of the scope that asks for most', () => {
    const traffic = new Traffic();
    const hold = { action: 'step_up', since: START, until: START + DAY, probeAt: null } as const;
    Object.assign(traffic.of(ADDRESS), { hold, trips: 1, heldUntil: hold.until });
    Object.assign(traffic.of(NETWORK), { hold, trips: 3, heldUntil: hold.until });
    const both = from({ sender: [ADDRESS, NETWORK], numbers: [] });
    expect(traffic.verdictOn(both)).toEqual({ outcome: 'step_up', scope: NETWORK, hashes: 4 * hashes });
  });

  it('is a number even where the policy lets nothing be unsettled', () => {
    const traffic = new Traffic(policyWith({ address: { pending: 0 } }));
    expect(hashesFor(traffic)).toBe(hashes);
  });
});

describe('release', () => {
  it('lets messages through again and forgets what was held against the scope', () => {
    const traffic = new Traffic();
    const sender = from(only(BLOCK));
    traffic.lose(14, sender);
    traffic.send(sender);
    const { until } = traffic.of(BLOCK).hold as NonNullable<ScopeState['hold']>;
    expect(release(BLOCK, traffic.of(BLOCK))).toEqual([
      { event: 'released', scope: BLOCK, action: 'block', until },
    ]);
    expect(traffic.of(BLOCK)).toMatchObject({ unsettled: [], evidence: 0, hold: null, trips: 0 });
    expect(traffic.send(sender).verdict).toEqual({ outcome: 'send' });
  });

  it('tells of nothing where nothing was held back', () => {
    expect(release(BLOCK, newScopeState())).toEqual([]);
  });
});

describe('a breaker that is only monitored', () => {
  it('says the same, and counts what goes all the same', () => {
    const traffic = new Traffic();
    const sender = from(only(BLOCK));
    const verdicts = times(25, () => traffic.send(sender, false).verdict.outcome);
    expect(verdicts).toEqual([...times(20, () => 'send'), ...times(5, () => 'suspend')]);
    expect(traffic.unsettledIn(BLOCK)).toBe(25);
    traffic.pass(SETTLED);
    expect(traffic.send(sender, false).turns).toMatchObject([{ event: 'tripped', scope: BLOCK }]);
    expect(traffic.unsettledIn(BLOCK)).toBe(1);
  });

  it('counts nothing that does not go otherwise', () => {
    const traffic = new Traffic();
    const sender = from(only(BLOCK));
    traffic.fill(sender);
    for (let i = 0; i < 5; i += 1) traffic.send(sender);
    expect(traffic.unsettledIn(BLOCK)).toBe(20);
    expect(traffic.of(SYSTEM).volume?.messages).toBe(20);
  });
});

it('keeps states sound and small, whatever happens', () => {
  const scopes = fc.record({
    sender: fc
      .tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 1 }))
      .map(([a, n]) => [`address:${a}`, `network:${n}`]),
    numbers: fc
      .tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 1 }))
      .map(([b, w]) => [`numbers_10k:${b}`, `numbers_100k:${w}`, COUNTRY]),
  });
  const mostly = (value: boolean) => fc.constantFrom(value, value, value, !value);
  const sending = fc.record({
    do: fc.constant('send' as const),
    sender: fc.record({ scopes, known: mostly(false), device: mostly(false), proven: fc.boolean() }),
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
          if (event.do === 'release') release(BLOCK, traffic.of(event.scope.numbers[0] as string));
          if (event.do === 'verify' && open.length > 0)
            for (const message of open.splice(event.which % open.length, 1)) traffic.verify(message);
          if (event.do === 'send')
            for (let i = 0; i < event.messages; i += 1) {
              const { verdict, admitted } = traffic.send(event.sender, event.enforced);
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

describe('lifeMs', () => {
  it('keeps a scope for a day beyond its hold, and the system for the week that it compares with', () => {
    const traffic = new Traffic();
    expect(lifeMs(ADDRESS, newScopeState(), traffic.now)).toBe(25 * HOUR);
    traffic.lose(14, from(only(BLOCK)));
    traffic.send(from(only(BLOCK)));
    expect(lifeMs(BLOCK, traffic.of(BLOCK), traffic.now)).toBe((12 + 25) * HOUR);
    expect(lifeMs(SYSTEM, newScopeState(), traffic.now)).toBe((8 * 24 + 1) * HOUR);
  });
});

describe('what the provider takes for a fraud', () => {
  const sender = from({ sender: [ADDRESS, NETWORK], numbers: [BLOCK, WIDER_BLOCK, COUNTRY] });

  it('weighs as much as several messages that nobody answered, in each of its scopes', () => {
    const traffic = new Traffic();
    const { admitted } = traffic.send(sender);
    suspected(traffic.policy, traffic, admitted, traffic.now);
    for (const scope of admitted.scopes) {
      expect(traffic.of(scope).evidence).toBeCloseTo(breaker.fraudSignalMessages * u);
    }
  });

  it('steps its sender up at once, and blocks its numbers when it comes again', () => {
    const traffic = new Traffic();
    const elsewhere = (i: number) => from({ sender: [`address:192.0.2.${i}`], numbers: [BLOCK] });
    suspected(traffic.policy, traffic, traffic.send(elsewhere(1)).admitted, traffic.now);
    expect(traffic.verdictOn(elsewhere(1))).toMatchObject({ outcome: 'step_up', scope: 'address:192.0.2.1' });
    expect(traffic.verdictOn(elsewhere(2))).toEqual({ outcome: 'send' });
    suspected(traffic.policy, traffic, traffic.send(elsewhere(2)).admitted, traffic.now);
    expect(traffic.verdictOn(elsewhere(3))).toMatchObject({ outcome: 'suspend', scope: BLOCK });
  });

  it('is forgiven like anything else by those who answer', () => {
    const traffic = new Traffic();
    const { admitted } = traffic.send(sender);
    suspected(traffic.policy, traffic, admitted, traffic.now);
    for (let i = 0; i < 3; i += 1) traffic.verify(traffic.send(from(only(COUNTRY))).admitted);
    expect(traffic.of(COUNTRY).evidence).toBe(0);
  });
});
