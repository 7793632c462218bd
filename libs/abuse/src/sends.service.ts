import { Injectable, Logger } from '@nestjs/common';
import { AppError, PhoneNumberNotAllowed, ProofOfWorkRequired, SendsSuspended, Unavailable } from '#errors';
import { Keys } from '#keys';
import { kindOfNumber, type PhoneNumber } from '#phone';
import { AbuseEvents } from './abuse-events.js';
import { AbuseOptions } from './abuse-options.js';
import {
  type Admitted,
  admit,
  allOf,
  kindOf,
  lifeMs,
  newScopeState,
  release,
  type ScopeState,
  type Sender,
  type States,
  SYSTEM,
  suspected,
  type Turn,
  verified,
} from './breaker.js';
import { clientAddressOf } from './client-address.js';
import { Clock } from './clock.js';
import { type Details, Limits } from './limits.js';
import { ProofOfWork } from './proof-of-work.js';
import { describeNumber, type Requester } from './requester.js';
import { isScope, scopesOf, senderScopesOf } from './scopes.js';
import { type Draft, SharedState } from './shared-state.js';
import { type Caps, capReached, giveBack, newSpending, type Spending, spend } from './spending.js';
import { BreakerStore, LedgerStore } from './state-store.js';

/** A message that may go. */
export interface Admission {
  /** Milliseconds until the next one may. */
  readonly resendAfterMs: number;
  /** To be kept, and handed back when the code was typed in; sealed. */
  readonly ticket: string;
}

/** A scope whose messages are held back. */
export interface Block {
  readonly id: string;
  readonly action: 'step_up' | 'block';
  readonly since: Date;
  readonly until: Date;
}

const TICKET = 'ticket of a message';
const DAY_MS = 86_400_000;
const SPENDING_KEPT_MS = 3 * DAY_MS;
/** As many blocks as anybody looks through. */
const MOST_BLOCKS = 1_000;

/** Who may have a message sent, before anything is paid for it. */
@Injectable()
export class Sends {
  private readonly logger = new Logger('Abuse');
  private readonly breaker: SharedState;
  private readonly ledger: SharedState;
  private readonly proofs: ProofOfWork;

  constructor(
    private readonly limits: Limits,
    private readonly breakerStore: BreakerStore,
    private readonly ledgerStore: LedgerStore,
    private readonly events: AbuseEvents,
    private readonly keys: Keys,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {
    this.breaker = new SharedState(breakerStore);
    this.ledger = new SharedState(ledgerStore);
    this.proofs = new ProofOfWork(keys);
  }

  /**
   * Takes a place for one message, before anything is paid for it.
   *
   * @param known whether the number signed in before.
   * @throws PhoneNumberNotAllowed, ProofOfWorkRequired, RateLimited, SendsSuspended, Unavailable
   */
  async admit(
    phoneNumber: PhoneNumber,
    requester: Requester,
    { device, known }: { device: string | null; known: boolean },
  ): Promise<Admission> {
    const number = this.keys.indexOf(phoneNumber);
    const address = clientAddressOf(requester.address);
    const about = { ...describeNumber(phoneNumber, number), address: address.client };
    const country = this.admitNumber(phoneNumber, about);
    await this.limits.admitAddress('sends_per_address', address.client, about);
    await this.requireRoomFor(country, device, about);
    const place = await this.limits.admitMessage(laneOf(number, device), about);
    try {
      const proven = await this.isProven(number, requester.proof);
      const isContested = place.contested && device === null && !proven;
      if (isContested) await this.stepUp('contested', number, this.options.policy.proof.hashes, about);
      const scopes = scopesOf(address, phoneNumber, country);
      const sender = { scopes, known, device: device !== null, proven };
      const admitted = await this.admitByBreaker(number, sender, about);
      await this.spendOn(country, device, about);
      return { resendAfterMs: place.resendAfterMs, ticket: this.keys.seal(JSON.stringify(admitted), TICKET) };
    } catch (refusal) {
      if (refusal instanceof AppError && !(refusal instanceof Unavailable)) await place.giveBack();
      throw refusal;
    }
  }

  /**
   * Takes a place for one more message of a verification whose first did not arrive: the person asked once, so only
   * what is held back and the caps are in its way.
   *
   * @param tickets of its messages so far.
   * @throws Unavailable
   */
  async admitFallback(
    phoneNumber: PhoneNumber,
    { device, tickets }: { device: string | null; tickets: readonly string[] },
  ): Promise<boolean> {
    const about = describeNumber(phoneNumber, this.keys.indexOf(phoneNumber));
    const { country } = kindOfNumber(phoneNumber);
    if (await this.isHeldBack(tickets)) {
      this.events.record('refused', { name: 'fallback', country, ...about });
      return false;
    }
    try {
      await this.spendOn(country, device, about);
      return true;
    } catch (refusal) {
      if (refusal instanceof SendsSuspended) return false;
      throw refusal;
    }
  }

  /**
   * A test number gets no message, so there is nothing to hold back but the requests of one address.
   *
   * @returns what other numbers wait for their second message: a test number does not, and looks as if it did.
   * @throws RateLimited, Unavailable
   */
  async admitTest({ address }: Requester): Promise<{ resendAfterMs: number }> {
    const { client } = clientAddressOf(address);
    await this.limits.admitAddress('sends_per_address', client, { address: client });
    return { resendAfterMs: this.limits.firstCoolDownMs };
  }

  /** A message that was admitted is not handed to anybody: what it would have cost is there to be spent again. */
  async unspent(phoneNumber: PhoneNumber): Promise<void> {
    const { country } = kindOfNumber(phoneNumber);
    const key = this.spendingKey();
    await this.ledger.decide([key], (draft) => {
      const spending = draft.get<Spending>(key) ?? newSpending();
      giveBack(spending, country, this.options.prices);
      draft.set(key, spending, { ttlMs: SPENDING_KEPT_MS });
    });
  }

  /** The provider takes a message for a pumper's. */
  async suspected(tickets: readonly string[]): Promise<void> {
    await this.weigh(this.opened(tickets.slice(-1)), suspected);
  }

  /**
   * The code was typed in: its messages were genuine. The person is signed in already, so what fails here is only told.
   *
   * @param tickets of its messages.
   * @param typedAt where it was typed in, if others could have asked for its messages too: they are given no credit.
   */
  async succeeded(
    phoneNumber: PhoneNumber,
    tickets: readonly string[],
    typedAt: string | null = null,
  ): Promise<void> {
    const number = this.keys.indexOf(phoneNumber);
    const done = await Promise.allSettled([this.credit(tickets, typedAt), this.limits.settleContest(number)]);
    for (const outcome of done) {
      if (outcome.status === 'rejected')
        this.logger.warn(`a verified message was not counted: ${outcome.reason}`);
    }
  }

  /** What is held back now. */
  async blocks(): Promise<Block[]> {
    const now = this.clock.now();
    const held = await this.breakerStore.held(now, MOST_BLOCKS);
    return held.flatMap(({ key, text }) => {
      const { hold } = JSON.parse(text) as ScopeState;
      if (!hold || hold.until <= now) return [];
      return [{ id: key, action: hold.action, since: new Date(hold.since), until: new Date(hold.until) }];
    });
  }

  /** Lets the messages of a scope through again; false when it was not held back. */
  async release(id: string): Promise<boolean> {
    if (!isScope(id)) return false;
    const turns = await this.breaker.decide([id], (draft) => {
      const states = new DraftStates(draft);
      const turns = release(id, states.of(id));
      if (turns.length > 0) states.save(this.clock.now());
      return turns;
    });
    this.tell(turns);
    return turns.length > 0;
  }

  /** Forgets what is over. */
  async purge(): Promise<void> {
    await this.limits.purge();
    await this.breakerStore.purge();
    await this.ledgerStore.purge();
  }

  /** @returns the country that the price of a message depends on. */
  private admitNumber(phoneNumber: PhoneNumber, about: Details): string {
    const { country, isMobile } = kindOfNumber(phoneNumber);
    const { allowedCountries } = this.options;
    const isAllowed = isMobile && (allowedCountries === null || allowedCountries.includes(country));
    if (isAllowed) return country;
    this.events.record('refused', { name: isMobile ? 'country' : 'line_type', country, ...about });
    throw new PhoneNumberNotAllowed();
  }

  private async isProven(number: string, proof: string | null): Promise<boolean> {
    const now = this.clock.now();
    const read = proof === null ? null : await this.proofs.read(proof, number, now);
    return read !== null && this.limits.isFirstUse(read.id, Math.ceil((read.expiresAt - now) / 1_000));
  }

  /** @throws ProofOfWorkRequired unless the breaker is only monitored. */
  private async stepUp(name: string, number: string, hashes: number, about: Details): Promise<void> {
    const { breakerEnforced, policy } = this.options;
    this.events.record(breakerEnforced ? 'refused' : 'would_refuse', { name, hashes, ...about });
    if (!breakerEnforced) return;
    const expiresAt = this.clock.now() + policy.proof.lifetimeSeconds * 1_000;
    throw new ProofOfWorkRequired(await this.proofs.challenge(number, hashes, expiresAt));
  }

  private async admitByBreaker(number: string, sender: Sender, about: Details): Promise<Admitted> {
    const now = this.clock.now();
    const { policy, breakerEnforced } = this.options;
    const { verdict, admitted, turns } = await this.breaker.decide(allOf(sender.scopes), (draft) => {
      const states = new DraftStates(draft);
      const decision = admit(policy, states, sender, now, breakerEnforced);
      states.save(now);
      return decision;
    });
    this.tell(turns);
    if (verdict.outcome === 'step_up') {
      const details = { ...about, scope: verdict.scope };
      await this.stepUp(kindOf(verdict.scope), number, verdict.hashes, details);
    }
    if (verdict.outcome === 'suspend')
      this.suspend(kindOf(verdict.scope), verdict.retryAfterMs, { ...about, scope: verdict.scope });
    return admitted;
  }

  /** @throws SendsSuspended unless the breaker is only monitored. */
  private suspend(name: string, retryAfterMs: number, details: Details): void {
    const { breakerEnforced } = this.options;
    const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
    const event = breakerEnforced ? 'refused' : 'would_refuse';
    this.events.record(event, { name, retry_after: retryAfterSeconds, ...details });
    if (breakerEnforced) throw new SendsSuspended(retryAfterSeconds);
  }

  /** Asked first, so that a cap that is reached costs no message its place. */
  private async requireRoomFor(country: string, device: string | null, about: Details): Promise<void> {
    const { prices } = this.options;
    const caps = this.capsFor(device);
    const key = this.spendingKey();
    const cap = await this.ledger.decide([key], (draft) => {
      return capReached(draft.get<Spending>(key) ?? newSpending(), country, prices, caps);
    });
    if (cap) this.refuseToSpend(cap, country, about);
  }

  private async spendOn(country: string, device: string | null, about: Details): Promise<void> {
    const { prices, caps, policy } = this.options;
    const own = this.capsFor(device);
    const key = this.spendingKey();
    const { reached, warnings } = await this.ledger.decide([key], (draft) => {
      const spending = draft.get<Spending>(key) ?? newSpending();
      const reached = capReached(spending, country, prices, own);
      const warnings = reached ? [] : spend(spending, country, prices, caps, policy.spending.warnAt);
      draft.set(key, spending, { ttlMs: SPENDING_KEPT_MS });
      return { reached, warnings };
    });
    for (const name of warnings)
      this.events.record('warning', { name, country, share: policy.spending.warnAt });
    if (reached) this.refuseToSpend(reached, country, about);
  }

  /** The last of a cap is kept for known devices, so that nobody is locked out by what strangers spend. */
  private capsFor(device: string | null): Caps {
    const { caps, policy } = this.options;
    const share = device === null ? 1 - policy.spending.keptForKnownDevices : 1;
    return { perDay: caps.perDay * share, perCountry: caps.perCountry * share };
  }

  private refuseToSpend(name: string, country: string, about: Details): never {
    const retryAfterSeconds = Math.ceil((DAY_MS - (this.clock.now() % DAY_MS)) / 1_000);
    this.events.record('refused', { name, country, retry_after: retryAfterSeconds, ...about });
    throw new SendsSuspended(retryAfterSeconds);
  }

  /** A cap is for a day (UTC). */
  private spendingKey(): string {
    return `spending:${new Date(this.clock.now()).toISOString().slice(0, 10)}`;
  }

  private async credit(tickets: readonly string[], typedAt: string | null): Promise<void> {
    const messages = this.opened(tickets);
    const own =
      typedAt === null ? messages : messages.map((message) => withoutOtherSenders(message, typedAt));
    await this.weigh(own, verified);
  }

  private opened(tickets: readonly string[]): Admitted[] {
    return tickets.map((ticket) => JSON.parse(this.keys.unseal(ticket, TICKET)) as Admitted);
  }

  /** Tells the scopes of messages what became of them. */
  private async weigh(messages: readonly Admitted[], outcome: typeof verified): Promise<void> {
    const now = this.clock.now();
    const scopes = scopesOfAll(messages);
    if (scopes.length === 0) return;
    const turns = await this.breaker.decide(scopes, (draft) => {
      const states = new DraftStates(draft);
      const turns = messages.flatMap((message) => outcome(this.options.policy, states, message, now));
      states.save(now);
      return turns;
    });
    this.tell(turns);
  }

  private async isHeldBack(tickets: readonly string[]): Promise<boolean> {
    const scopes = scopesOfAll(this.opened(tickets));
    if (scopes.length === 0 || !this.options.breakerEnforced) return false;
    return this.breaker.decide(scopes, (draft) => {
      return scopes.some((scope) => (draft.get<ScopeState>(scope)?.hold?.until ?? 0) > this.clock.now());
    });
  }

  private tell(turns: readonly Turn[]): void {
    for (const { event, scope, action, until } of turns) {
      const name = kindOf(scope);
      this.events.record(event, { name, scope, action, until: new Date(until).toISOString() });
      if (scope === SYSTEM && event === 'tripped') this.events.record('warning', { name, scope });
    }
  }
}

/** The scopes' states in a draft; one that is asked for is made when there is none. */
class DraftStates implements States {
  private readonly touched = new Map<string, ScopeState>();

  constructor(private readonly draft: Draft) {}

  of(scope: string): ScopeState {
    const state = this.touched.get(scope) ?? this.draft.get<ScopeState>(scope) ?? newScopeState();
    this.touched.set(scope, state);
    return state;
  }

  save(now: number): void {
    for (const [scope, state] of this.touched) {
      this.draft.set(scope, state, {
        ttlMs: lifeMs(scope, state, now),
        heldUntil: state.hold?.until ?? null,
      });
    }
  }
}

function scopesOfAll(messages: readonly Admitted[]): string[] {
  return [...new Set(messages.flatMap((message) => message.scopes))];
}

function withoutOtherSenders(message: Admitted, address: string): Admitted {
  const own = senderScopesOf(clientAddressOf(address));
  const isOthers = (scope: string) => /^(address|network):/.test(scope) && !own.includes(scope);
  return { ...message, scopes: message.scopes.filter((scope) => !isOthers(scope)) };
}

/** The known devices of a number have limits of their own, which no stranger can use up. */
function laneOf(number: string, device: string | null): string {
  return device === null ? number : `${number}:known`;
}
