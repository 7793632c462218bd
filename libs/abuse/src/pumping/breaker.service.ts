import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SendsSuspended } from '#errors';
import { Keys } from '#keys';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { clientAddressOf } from '../limits/client-address.js';
import { BreakerState, type Draft } from '../state/shared-state.js';
import {
  type Admitted,
  admit,
  assess,
  decidedScopesOf,
  type MessageRequest,
  recordFraud,
  recordVerified,
  type ScopeStates,
  type Verdict,
  withdraw,
} from './breaker.js';
import {
  type BreakerEvent,
  isUnused,
  newScopeState,
  release,
  type ScopeState,
  stateTtlMs,
} from './scope-state.js';
import { isRequesterScope, isScope, requesterScopesOf, SYSTEM, scopeKindOf } from './scopes.js';
import { StepUpService } from './step-up.service.js';

/** A blocked scope: its messages need a proof of work (`step_up`) or are not sent (`block`). */
export interface Block {
  /** The key of the scope. */
  readonly id: string;
  readonly action: 'step_up' | 'block';
  readonly since: Date;
  readonly until: Date;
}

const TICKET = 'ticket of a message';

/** Longer than a verification is kept: a report on a deleted one is ignored. */
const FRAUD_REPORT_KEPT_MS = 86_400_000;

const MAX_BLOCKS = 1_000;

/** Runs the circuit breaker against SMS pumping (breaker.ts) on the state that all processes share. */
@Injectable()
export class BreakerService {
  constructor(
    private readonly state: BreakerState,
    private readonly stepUp: StepUpService,
    private readonly events: AbuseEvents,
    private readonly keys: Keys,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {}

  /**
   * Decides on a message without counting it, so that a refusal leaves no state behind, except for a proof that was solved
   * in vain. Always `send` in monitor mode.
   *
   * @throws Unavailable
   */
  async assess(request: MessageRequest): Promise<Verdict> {
    const { policy, breakerEnforced } = this.options;
    if (!breakerEnforced) return { outcome: 'send' };
    const now = this.clock.now();
    const { verdict, events } = await this.state.decide(decidedScopesOf(request), (draft) => {
      const states = new DraftStates(draft);
      const assessed = assess(policy, states, request, now);
      if (assessed.changed) states.save(now);
      return assessed;
    });
    this.report(events);
    return verdict;
  }

  /**
   * Decides on a message and counts it. In monitor mode a refusal is only recorded.
   *
   * @returns a ticket: the message's entry in the breaker, sealed, for the other methods.
   * @throws ProofOfWorkRequired, SendsSuspended, Unavailable
   */
  async admit(request: MessageRequest, details: Details): Promise<string> {
    const now = this.clock.now();
    const { policy, breakerEnforced } = this.options;
    const { verdict, admitted, events } = await this.update(decidedScopesOf(request), now, (states) =>
      admit(policy, states, request, now, breakerEnforced),
    );
    this.report(events);
    await this.enforce(verdict, request.phoneIndex, details);
    return this.keys.seal(JSON.stringify(admitted), TICKET);
  }

  /**
   * Takes back an admitted message that was not sent, so that it is no evidence.
   *
   * @throws Unavailable
   */
  async withdraw(ticket: string): Promise<void> {
    await this.record(this.open([ticket]), withdraw);
  }

  /**
   * Records that the code of these messages was typed in.
   *
   * @param creditedAddress the only address to credit, when other clients could have requested the messages; null for all.
   * @throws Unavailable
   */
  async recordVerified(tickets: readonly string[], creditedAddress: string | null): Promise<void> {
    const messages = this.open(tickets);
    const credited =
      creditedAddress === null
        ? messages
        : messages.map((message) => withoutOtherRequesters(message, creditedAddress));
    await this.record(credited, recordVerified);
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
    const reported = `fraud:${createHash('sha256').update(ticket).digest('base64url')}`;
    const events = await this.state.decide([...message.scopes, reported], (draft) => {
      if (draft.get(reported)) return [];
      draft.set(reported, {}, { ttlMs: FRAUD_REPORT_KEPT_MS });
      const states = new DraftStates(draft);
      const events = recordFraud(this.options.policy, states, message, now);
      states.save(now);
      return events;
    });
    this.report(events);
  }

  private async record(messages: readonly Admitted[], outcome: typeof recordVerified): Promise<void> {
    const now = this.clock.now();
    const scopes = scopesOfAll(messages);
    if (scopes.length === 0) return;
    const events = await this.update(scopes, now, (states) =>
      messages.flatMap((message) => outcome(this.options.policy, states, message, now)),
    );
    this.report(events);
  }

  private update<T>(
    scopes: readonly string[],
    now: number,
    decision: (states: ScopeStates) => T,
  ): Promise<T> {
    return this.state.decide(scopes, (draft) => {
      const states = new DraftStates(draft);
      const result = decision(states);
      states.save(now);
      return result;
    });
  }

  private report(events: readonly BreakerEvent[]): void {
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

  constructor(private readonly draft: Draft) {}

  of(scope: string): ScopeState {
    const state = this.touched.get(scope) ?? this.draft.get<ScopeState>(scope) ?? newScopeState();
    this.touched.set(scope, state);
    return state;
  }

  /** Saves the states, except for new ones in which nothing was counted: a refused message leaves none behind. */
  save(now: number): void {
    for (const [scope, state] of this.touched) {
      if (this.draft.get(scope) === null && isUnused(state)) continue;
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

function withoutOtherRequesters(message: Admitted, address: string): Admitted {
  const own = requesterScopesOf(clientAddressOf(address));
  return {
    ...message,
    scopes: message.scopes.filter((scope) => !isRequesterScope(scope) || own.includes(scope)),
  };
}
