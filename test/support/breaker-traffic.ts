import {
  type Admitted,
  admit,
  type BreakerEvent,
  DEFAULT_POLICY,
  type MessageRequest,
  newScopeState,
  type Policy,
  recordVerified,
  type ScopeState,
  type ScopeStates,
  type Scopes,
  type Verdict,
} from '#abuse';

type ScopePolicy = Policy['breaker']['address'];

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** A message is settled after this time, wherever in its time slot it was sent. */
export const SETTLED = 70 * SECOND;
/** A Monday at noon, the first moment of an hour. */
export const START = Date.UTC(2026, 0, 5, 12);

export const ADDRESS = 'address:192.0.2.1';
export const NETWORK = 'network:192.0.2.0/24';
export const RANGE_10K = 'numbers_10k:+331234';
export const RANGE_100K = 'numbers_100k:+33123';
export const COUNTRY = 'country:FR';
export const SYSTEM = 'system';

/** The default policy with some scopes' policies changed. */
export function policyWith(
  overrides: Partial<Record<keyof Policy['breaker'], Partial<ScopePolicy>>>,
): Policy {
  const { breaker } = DEFAULT_POLICY;
  const members = Object.entries(overrides).map(([name, given]) => {
    return [name, { ...(breaker[name as keyof Policy['breaker']] as ScopePolicy), ...given }];
  });
  return { ...DEFAULT_POLICY, breaker: { ...breaker, ...Object.fromEntries(members) } };
}

/** The scopes of a message that counts in one scope and in the whole system. */
export function only(scope: string): Scopes {
  if (scope === SYSTEM) return { requester: [], numbers: [] };
  const isRequester = scope === ADDRESS || scope === NETWORK;
  return isRequester ? { requester: [scope], numbers: [] } : { requester: [], numbers: [scope] };
}

/** A request for a message: of an unknown device, for an unknown number, without a proof of work. */
export function requestIn(scopes: Scopes, overrides: Partial<MessageRequest> = {}): MessageRequest {
  return {
    scopes,
    phoneIndex: 'a number',
    knownNumber: false,
    knownDevice: false,
    proven: false,
    ...overrides,
  };
}

/** Runs messages through the breaker, with states and a clock of its own. */
export class Traffic implements ScopeStates {
  now = START;
  readonly events: BreakerEvent[] = [];
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

  send(
    request: MessageRequest,
    enforced = true,
  ): { verdict: Verdict; admitted: Admitted; events: BreakerEvent[] } {
    const decision = admit(this.policy, this, request, this.now, enforced);
    this.events.push(...decision.events);
    return decision;
  }

  /** Returns the verdict on a message without a change to any state. */
  verdictOn(request: MessageRequest): Verdict {
    const copy = new Traffic(this.policy);
    copy.states = structuredClone(this.states);
    copy.now = this.now;
    return copy.send(request).verdict;
  }

  verify(message: Admitted): BreakerEvent[] {
    const events = recordVerified(this.policy, this, message, this.now);
    this.events.push(...events);
    return events;
  }

  /** Sends messages that are never verified, one after another, and waits until each is settled. */
  lose(messages: number, request: MessageRequest): void {
    for (let i = 0; i < messages; i += 1) {
      expect(this.send(request).verdict).toEqual({ outcome: 'send' });
      this.pass(SETTLED);
    }
  }

  /** Sends concurrent messages until one is refused. Returns the number of messages sent. */
  fill(request: MessageRequest, most = 10_000): number {
    for (let sent = 0; sent < most; sent += 1) {
      if (this.send(request).verdict.outcome !== 'send') return sent;
    }
    return most;
  }

  unsettledIn(scope: string): number {
    return this.of(scope).unsettled.reduce((sum, [, messages]) => sum + messages, 0);
  }

  trippedScopes(): string[] {
    return this.events.filter(({ event }) => event === 'tripped').map(({ scope }) => scope);
  }
}
