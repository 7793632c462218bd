import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SendsSuspended } from '#errors';
import { Keys } from '#keys';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { clientAddressOf } from '../limits/client-address.js';
import { type Draft, SharedState, type Snapshot } from '../state/shared-state.js';
import {
  type Admitted,
  type Assessment,
  assess,
  countAssessed,
  type MessageRequest,
  recordFraud,
  recordVerified,
  type ScopeStates,
  type Verdict,
} from './breaker.js';
import {
  type BreakerEvent,
  isUnused,
  newScopeState,
  release,
  type ScopeState,
  stateTtlMs,
} from './scope-state.js';
import {
  allScopesOf,
  isRequesterScope,
  isScope,
  laneOf,
  requesterScopesOf,
  type Scopes,
  SYSTEM,
  scopeKindOf,
} from './scopes.js';
import { StepUpService } from './step-up.service.js';

/** A blocked scope: its messages need a proof of work (`step_up`) or are not sent (`block`). */
export interface Block {
  /** The key of the scope. */
  readonly id: string;
  readonly action: 'step_up' | 'block';
  readonly since: Date;
  readonly until: Date;
}

/** A decision on one message, with the states that it has read. */
export interface Assessed extends Assessment {
  readonly states: DraftStates;
}

/** The record that the codes of messages were typed in, prepared for a decision. */
export interface VerifiedMessages {
  /** The states that it changes. */
  readonly keys: readonly string[];
  record(draft: Draft): BreakerEvent[];
}

const TICKET = 'ticket of a message';

/** Longer than a verification is kept: a report on a deleted one is ignored. */
const FRAUD_REPORT_KEPT_MS = 86_400_000;

const MAX_BLOCKS = 1_000;

/** Runs the circuit breaker against SMS pumping (breaker.ts) on the state that all processes share. */
@Injectable()
export class BreakerService {
  constructor(
    private readonly state: SharedState,
    private readonly stepUp: StepUpService,
    private readonly events: AbuseEvents,
    private readonly keys: Keys,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {}

  /** False: refusals are only recorded. */
  get isEnforced(): boolean {
    return this.options.breakerEnforced;
  }

  /**
   * Returns the keys of the states that decide on a message. They do not depend on whether the number is known, so that
   * known and unknown numbers take the same time.
   */
  keysOf(scopes: Scopes, phoneIndex: string): string[] {
    return [...allScopesOf(scopes), laneOf(phoneIndex, false), laneOf(phoneIndex, true)];
  }

  /**
   * Decides on a message without counting it, inside a decision on the keys of `keysOf`. A message that is refused leaves
   * no state behind, unless the decision itself changed one.
   */
  assess(draft: Draft, request: MessageRequest): Assessed {
    const { policy, breakerEnforced } = this.options;
    const now = this.clock.now();
    const states = new DraftStates(draft);
    const assessment = assess(policy, states, request, now, breakerEnforced);
    if (assessment.changed && breakerEnforced) states.save(now);
    return { states, ...assessment };
  }

  /** Counts an assessed message. */
  count(request: MessageRequest, assessed: Assessed): Admitted {
    const now = this.clock.now();
    const admitted = countAssessed(this.options.policy, assessed.states, request, assessed, now);
    assessed.states.save(now);
    return admitted;
  }

  /** Returns the message's entry in the breaker, sealed, for the other methods. */
  ticketOf(message: Admitted): string {
    return this.keys.seal(JSON.stringify(message), TICKET);
  }

  /**
   * Prepares the record that the code of these messages was typed in.
   *
   * @param creditedAddress the only address to credit, when other clients could have requested the messages; null for all.
   */
  findVerified(tickets: readonly string[], creditedAddress: string | null): VerifiedMessages {
    const messages = this.open(tickets);
    const credited =
      creditedAddress === null
        ? messages
        : messages.map((message) => withoutOtherRequesters(message, creditedAddress));
    const keys = [...new Set(credited.flatMap(scopesVerifiedBy))];
    const now = this.clock.now();
    const record = (draft: Draft): BreakerEvent[] => {
      if (credited.length === 0) return [];
      const states = new DraftStates(draft);
      const events = credited.flatMap((message) => recordVerified(this.options.policy, states, message, now));
      states.save(now);
      return events;
    };
    return { keys, record };
  }

  /**
   * Makes a decision that can trip or release scopes, and records the trips and releases.
   *
   * @param seen the states of the keys, if this request has just seen them.
   * @throws Unavailable
   */
  async decide(
    keys: readonly string[],
    decision: (draft: Draft) => BreakerEvent[],
    seen: Snapshot | null = null,
  ): Promise<void> {
    this.report(await this.state.decide(keys, decision, seen));
  }

  /**
   * Records that the provider reported these messages as fraud. Each counts once, because reports are repeated.
   *
   * @throws Unavailable
   */
  async recordFraud(tickets: readonly string[]): Promise<void> {
    for (const ticket of tickets) await this.recordFraudOf(ticket);
  }

  /**
   * Returns true if a scope of these messages is blocked. Always false in monitor mode.
   *
   * @throws Unavailable
   */
  async isBlocked(tickets: readonly string[]): Promise<boolean> {
    const scopes = scopesOfAll(this.open(tickets));
    if (scopes.length === 0 || !this.options.breakerEnforced) return false;
    return this.state.decide(scopes, (draft) => {
      return scopes.some((scope) => (draft.get<ScopeState>(scope)?.hold?.until ?? 0) > this.clock.now());
    });
  }

  /** Lists the current blocks. */
  async blocks(): Promise<Block[]> {
    const now = this.clock.now();
    const held = await this.state.held(now, MAX_BLOCKS);
    return held.flatMap(({ key, text }) => {
      const { hold } = JSON.parse(text) as ScopeState;
      if (!hold || hold.until <= now) return [];
      return [{ id: key, action: hold.action, since: new Date(hold.since), until: new Date(hold.until) }];
    });
  }

  /** Ends the block of a scope. Returns false if it was not blocked. */
  async release(id: string): Promise<boolean> {
    if (!isScope(id)) return false;
    const events = await this.state.decide([id], (draft) => {
      const states = new DraftStates(draft);
      const events = release(id, states.of(id));
      if (events.length > 0) states.save(this.clock.now());
      return events;
    });
    this.report(events);
    return events.length > 0;
  }

  /** Deletes expired states. */
  async purge(): Promise<void> {
    await this.state.purge();
  }

  /**
   * Refuses a message, unless the verdict is to send it. In monitor mode a refusal is only recorded.
   *
   * @throws ProofOfWorkRequired, SendsSuspended
   */
  async enforce(verdict: Verdict, phoneIndex: string, details: Details): Promise<void> {
    if (verdict.outcome === 'send') return;
    const { scope } = verdict;
    const name = scopeKindOf(scope);
    if (verdict.outcome === 'step_up')
      await this.stepUp.requireProof(name, phoneIndex, verdict.hashes, { ...details, scope });
    else this.suspend(name, verdict.retryAfterMs, { ...details, scope });
  }

  private suspend(name: string, retryAfterMs: number, details: Details): void {
    const { breakerEnforced } = this.options;
    const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
    const event = breakerEnforced ? 'refused' : 'would_refuse';
    this.events.record(event, { name, retry_after: retryAfterSeconds, ...details });
    if (breakerEnforced) throw new SendsSuspended(retryAfterSeconds);
  }

  private open(tickets: readonly string[]): Admitted[] {
    return tickets.map((ticket) => JSON.parse(this.keys.unseal(ticket, TICKET)) as Admitted);
  }

  private async recordFraudOf(ticket: string): Promise<void> {
    const now = this.clock.now();
    const [message] = this.open([ticket]) as [Admitted];
    const reported = `fraud:${hash('sha256', ticket, 'base64url')}`;
    await this.decide([...message.scopes, reported], (draft) => {
      if (draft.get(reported)) return [];
      draft.set(reported, {}, { ttlMs: FRAUD_REPORT_KEPT_MS });
      const states = new DraftStates(draft);
      const events = recordFraud(this.options.policy, states, message, now);
      states.save(now);
      return events;
    });
  }

  /** Records trips and releases. */
  report(events: readonly BreakerEvent[]): void {
    for (const { event, scope, action, until } of events) {
      const name = scopeKindOf(scope);
      this.events.record(event, { name, scope, action, until: new Date(until).toISOString() });
      if (scope === SYSTEM && event === 'tripped') this.events.record('warning', { name, scope });
    }
  }
}

/** The scope states in a draft of the shared state. A scope without a state gets a new one. */
class DraftStates implements ScopeStates {
  private readonly touched = new Map<string, ScopeState>();
  private readonly created = new Set<string>();

  constructor(private readonly draft: Draft) {}

  of(scope: string): ScopeState {
    const known = this.touched.get(scope);
    if (known) return known;
    const stored = this.draft.get<ScopeState>(scope);
    if (!stored) this.created.add(scope);
    const state = stored ?? newScopeState();
    this.touched.set(scope, state);
    return state;
  }

  /** Saves the states, except for new ones in which nothing was counted: a refused message leaves none behind. */
  save(now: number): void {
    for (const [scope, state] of this.touched) {
      if (this.created.has(scope) && isUnused(state)) continue;
      this.draft.set(scope, state, {
        ttlMs: stateTtlMs(scope, state, now),
        heldUntil: state.hold?.until ?? null,
      });
    }
  }
}

function scopesOfAll(messages: readonly Admitted[]): string[] {
  return [...new Set(messages.flatMap((message) => message.scopes))];
}

function scopesVerifiedBy({ scopes, vouchedNetwork }: Admitted): readonly string[] {
  return vouchedNetwork ? [...scopes, vouchedNetwork] : scopes;
}

function withoutOtherRequesters(message: Admitted, address: string): Admitted {
  const own = requesterScopesOf(clientAddressOf(address));
  const { vouchedNetwork } = message;
  return {
    ...message,
    scopes: message.scopes.filter((scope) => !isRequesterScope(scope) || own.includes(scope)),
    vouchedNetwork: vouchedNetwork && own.includes(vouchedNetwork) ? vouchedNetwork : undefined,
  };
}
