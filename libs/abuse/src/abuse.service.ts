import { Injectable, Logger } from '@nestjs/common';
import { AppError, PhoneNumberNotAllowed, ProofOfWorkRequired, SendsSuspended, Unavailable } from '#errors';
import { Keys } from '#keys';
import { kindOfNumber, maskPhoneNumber, type PhoneNumber } from '#phone';
import { AbuseEvents } from './abuse-events.js';
import {
  type Admitted,
  admit,
  allOf,
  FORGOTTEN_AFTER_MS,
  kindOf,
  newScopeState,
  release,
  type ScopeState,
  type Scopes,
  type States,
  SYSTEM,
  type Turn,
  verified,
} from './breaker.js';
import { clientAddressOf } from './client-address.js';
import { Clock } from './clock.js';
import { DEVICE_TOKEN_TTL_MS, type Device, DeviceTokens } from './device-token.js';
import {
  abandon,
  codeLengthFor,
  deviceGuess,
  forgive,
  type Gauge,
  GUESSES_REMEMBERED_MS,
  type Guessable,
  type GuessRecord,
  isTrusted,
  newGauge,
  newGuessRecord,
  strangerGuess,
} from './guess-ledger.js';
import { type Details, Limits } from './limits.js';
import type { Policy } from './policy.js';
import { ProofOfWork } from './proof-of-work.js';
import { scopesOf } from './scopes.js';
import { type Draft, SharedState } from './shared-state.js';
import { type Caps, capReached, newSpending, type PriceTable, type Spending, spend } from './spending.js';
import { BreakerStore, LedgerStore } from './state-store.js';

/** What a request says of whoever sent it. */
export interface Requester {
  /** The IP address it came from, as far as trusted proxies tell. */
  readonly address: string;
  readonly deviceToken: string | null;
  /** A solved ALTCHA challenge. */
  readonly proof: string | null;
}

/** Who somebody is to a number: a device that is known on it, or a stranger. */
export interface Standing {
  readonly device: string | null;
  /** How long the code has to be for them. */
  readonly codeLength: number;
}

/** A message that may go. */
export interface Admission {
  /** Milliseconds until the next one may. */
  readonly resendAfterMs: number;
  /** To be kept, and handed back when the code was typed in; sealed. */
  readonly ticket: string;
}

/** A verification as this room needs to know it. */
export interface GuessedAt {
  readonly id: string;
  readonly phoneNumber: PhoneNumber;
  readonly codeLength: number;
  readonly expiresAt: Date;
  /** The known device that opened it. */
  readonly device: string | null;
  /** The tickets of its messages. */
  readonly tickets: readonly string[];
}

/** A scope whose messages are held back. */
export interface Block {
  readonly id: string;
  readonly action: 'step_up' | 'block';
  readonly since: Date;
  readonly until: Date;
}

export abstract class AbuseOptions {
  abstract readonly policy: Policy;
  abstract readonly prices: PriceTable;
  abstract readonly caps: Caps;
  /** ISO 3166-1 codes; null: all. */
  abstract readonly allowedCountries: readonly string[] | null;
  /** False: the breaker records what it would have refused and refuses nothing. */
  abstract readonly breakerEnforced: boolean;
  /** Digits of a code where nobody guesses. */
  abstract readonly usualCodeLength: number;
  abstract readonly maxAttempts: number;
}

const GAUGE = 'gauge';
const TICKET = 'ticket of a message';
const SPENDING_KEPT_MS = 3 * 86_400_000;
/** As many blocks as anybody looks through. */
const MOST_BLOCKS = 1_000;

/** The abuse policy: who may have a message sent, with how long a code, and who may guess at it. */
@Injectable()
export class Abuse {
  private readonly logger = new Logger('Abuse');
  private readonly breaker: SharedState;
  private readonly ledger: SharedState;
  private readonly devices: DeviceTokens;
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
    this.devices = new DeviceTokens(keys);
    this.proofs = new ProofOfWork(keys);
  }

  /** @throws Unavailable */
  standingOf(phoneNumber: PhoneNumber, { deviceToken }: Requester): Promise<Standing> {
    const now = this.clock.now();
    const number = this.keys.indexOf(phoneNumber);
    const claimed = deviceToken === null ? null : this.devices.read(deviceToken, number, now);
    const keys = [numberKey(number), GAUGE, ...(claimed ? [deviceKey(claimed.id)] : [])];
    return this.ledger.decide(keys, (draft) => {
      const record = recordOf(draft, numberKey(number));
      const { policy, usualCodeLength } = this.options;
      if (claimed && this.isKnown(draft, record, claimed, now))
        return { device: claimed.id, codeLength: usualCodeLength };
      return {
        device: null,
        codeLength: codeLengthFor(policy, record, gaugeOf(draft), usualCodeLength, now),
      };
    });
  }

  /**
   * Takes a place for one message, before anything is paid for it.
   *
   * @param known whether the number signed in before.
   * @throws PhoneNumberNotAllowed, ProofOfWorkRequired, RateLimited, SendsSuspended, Unavailable
   */
  async admitMessage(
    phoneNumber: PhoneNumber,
    requester: Requester,
    { device, known }: { device: string | null; known: boolean },
  ): Promise<Admission> {
    const number = this.keys.indexOf(phoneNumber);
    const address = clientAddressOf(requester.address);
    const about = { ...this.describe(phoneNumber), address: address.client };
    const country = this.admitNumber(phoneNumber, about);
    await this.limits.admitAddress('sends_per_address', address.client, about);
    await this.requireRoomFor(country, about);
    const place = await this.limits.admitMessage(laneOf(number, device), about);
    try {
      const proven = await this.isProven(number, requester.proof);
      const isContested = place.contested && device === null && !proven;
      if (isContested) await this.stepUp('contested', number, this.options.policy.proof.hashes, about);
      const scopes = scopesOf(address, phoneNumber, country);
      const sender = { scopes, known, device: device !== null, proven };
      const admitted = await this.admitByBreaker(number, sender, about);
      await this.spendOn(country, about);
      return { resendAfterMs: place.resendAfterMs, ticket: this.keys.seal(JSON.stringify(admitted), TICKET) };
    } catch (refusal) {
      if (refusal instanceof AppError && !(refusal instanceof Unavailable)) await place.giveBack();
      throw refusal;
    }
  }

  /** @throws RateLimited, Unavailable */
  async admitCheck(requester: Requester): Promise<void> {
    const { client } = clientAddressOf(requester.address);
    await this.limits.admitAddress('checks_per_address', client, { address: client });
  }

  /**
   * Counts a guess before it is compared, as if it were wrong.
   *
   * @returns false when the verification takes no guess any more.
   * @throws RateLimited, Unavailable
   */
  async admitGuess(verification: GuessedAt, requester: Requester): Promise<boolean> {
    const now = this.clock.now();
    const { policy } = this.options;
    const number = this.keys.indexOf(verification.phoneNumber);
    const guessable = this.guessable(verification);
    const device = await this.deviceOf(verification, requester);
    const isEnforced = !this.limits.isMonitored('guesses_per_number');
    const outcome = await this.ledger.decide(keysOf(number, device), (draft) => {
      if (device !== null) {
        const record = recordOf(draft, deviceKey(device));
        const outcome = deviceGuess(policy, record, guessable, now);
        saveRecord(draft, deviceKey(device), record);
        return outcome;
      }
      const [record, gauge] = [recordOf(draft, numberKey(number)), gaugeOf(draft)];
      const outcome = strangerGuess(policy, record, gauge, guessable, now, isEnforced);
      if (outcome.outcome === 'compare') {
        saveRecord(draft, numberKey(number), record);
        draft.set(GAUGE, gauge, { ttlMs: GUESSES_REMEMBERED_MS });
      }
      return outcome;
    });
    if (outcome.outcome !== 'exhausted' && outcome.waitMs)
      this.limits.refuse('guesses_per_number', outcome.waitMs, this.describe(verification.phoneNumber));
    return outcome.outcome !== 'exhausted';
  }

  /**
   * The code was typed in: its messages were genuine, and so were its typos. The person is signed in already, so what
   * fails here is only told.
   *
   * @returns a token for the device, by which it is known on this number from now on.
   */
  async succeeded(verification: GuessedAt, requester: Requester): Promise<string> {
    const now = this.clock.now();
    const number = this.keys.indexOf(verification.phoneNumber);
    const done = await Promise.allSettled([
      this.forgiveGuesses(verification, requester),
      this.credit(verification.tickets),
      this.limits.settleContest(number),
    ]);
    for (const outcome of done) {
      if (outcome.status === 'rejected') this.logger.warn(`a success was not counted: ${outcome.reason}`);
    }
    const device = await this.deviceOf(verification, requester).catch(() => null);
    return this.devices.issue(number, now, device ?? undefined);
  }

  /** The verification was given up: what was guessed at it was foreign. */
  async abandoned({ id, phoneNumber, device }: GuessedAt): Promise<void> {
    const key = device === null ? numberKey(this.keys.indexOf(phoneNumber)) : deviceKey(device);
    await this.ledger.decide([key], (draft) => {
      const record = recordOf(draft, key);
      abandon(record, id, this.clock.now());
      if (record.foreign.length > 0) saveRecord(draft, key, record);
    });
  }

  /** Every device that was known on the number is a stranger again. */
  async forgetDevices(phoneNumber: PhoneNumber): Promise<void> {
    const key = numberKey(this.keys.indexOf(phoneNumber));
    await this.ledger.decide([key], (draft) => {
      // A token of this very millisecond would otherwise be as good as a later one.
      saveRecord(draft, key, { ...recordOf(draft, key), devicesSince: this.clock.now() + 1 });
    });
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

  private async admitByBreaker(
    number: string,
    sender: { scopes: Scopes; known: boolean; device: boolean; proven: boolean },
    about: Details,
  ): Promise<Admitted> {
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
  private async requireRoomFor(country: string, about: Details): Promise<void> {
    const { prices, caps } = this.options;
    const key = this.spendingKey();
    const cap = await this.ledger.decide([key], (draft) => {
      return capReached(draft.get<Spending>(key) ?? newSpending(), country, prices, caps);
    });
    if (cap) this.refuseToSpend(cap, country, about);
  }

  private async spendOn(country: string, about: Details): Promise<void> {
    const { prices, caps, policy } = this.options;
    const key = this.spendingKey();
    const { reached, warnings } = await this.ledger.decide([key], (draft) => {
      const spending = draft.get<Spending>(key) ?? newSpending();
      const reached = capReached(spending, country, prices, caps);
      const warnings = reached ? [] : spend(spending, country, prices, caps, policy.spending.warnAt);
      draft.set(key, spending, { ttlMs: SPENDING_KEPT_MS });
      return { reached, warnings };
    });
    for (const name of warnings)
      this.events.record('warning', { name, country, share: policy.spending.warnAt });
    if (reached) this.refuseToSpend(reached, country, about);
  }

  private refuseToSpend(name: string, country: string, about: Details): never {
    const retryAfterSeconds = Math.ceil((86_400_000 - (this.clock.now() % 86_400_000)) / 1_000);
    this.events.record('refused', { name, country, retry_after: retryAfterSeconds, ...about });
    throw new SendsSuspended(retryAfterSeconds);
  }

  /** A cap is for a day (UTC). */
  private spendingKey(): string {
    return `spending:${new Date(this.clock.now()).toISOString().slice(0, 10)}`;
  }

  private isKnown(draft: Draft, number: GuessRecord, { id, issuedAt }: Device, now: number): boolean {
    const isRevoked = number.devicesSince !== undefined && issuedAt < number.devicesSince;
    return !isRevoked && isTrusted(this.options.policy, recordOf(draft, deviceKey(id)), now);
  }

  /** Whoever holds the id of a verification that a device opened is that device. */
  private async deviceOf(verification: GuessedAt, requester: Requester): Promise<string | null> {
    if (verification.device !== null || requester.deviceToken === null) return verification.device;
    return (await this.standingOf(verification.phoneNumber, requester)).device;
  }

  private async forgiveGuesses(verification: GuessedAt, requester: Requester): Promise<void> {
    const now = this.clock.now();
    const number = this.keys.indexOf(verification.phoneNumber);
    const device = await this.deviceOf(verification, requester);
    const guessable = this.guessable(verification);
    await this.ledger.decide([...new Set([...keysOf(number, device), ...keysOf(number, null)])], (draft) => {
      const [record, gauge] = [recordOf(draft, numberKey(number)), gaugeOf(draft)];
      if (record.open.some(({ id }) => id === verification.id)) {
        forgive(record, gauge, guessable, now);
        saveRecord(draft, numberKey(number), record);
        draft.set(GAUGE, gauge, { ttlMs: GUESSES_REMEMBERED_MS });
      }
      if (device === null) return;
      const own = recordOf(draft, deviceKey(device));
      forgive(own, null, guessable, now);
      saveRecord(draft, deviceKey(device), own);
    });
  }

  private async credit(tickets: readonly string[]): Promise<void> {
    const now = this.clock.now();
    const messages = tickets.map((ticket) => JSON.parse(this.keys.unseal(ticket, TICKET)) as Admitted);
    const scopes = [...new Set(messages.flatMap((message) => message.scopes))];
    if (scopes.length === 0) return;
    const turns = await this.breaker.decide(scopes, (draft) => {
      const states = new DraftStates(draft);
      const turns = messages.flatMap((message) => verified(this.options.policy, states, message, now));
      states.save(now);
      return turns;
    });
    this.tell(turns);
  }

  private tell(turns: readonly Turn[]): void {
    for (const { event, scope, action, until } of turns) {
      const name = kindOf(scope);
      this.events.record(event, { name, scope, action, until: new Date(until).toISOString() });
      if (scope === SYSTEM && event === 'tripped') this.events.record('warning', { name, scope });
    }
  }

  private guessable({ id, codeLength, expiresAt }: GuessedAt): Guessable {
    return { id, codeLength, expiresAt: expiresAt.getTime(), maxAttempts: this.options.maxAttempts };
  }

  private describe(phoneNumber: PhoneNumber): Details {
    return { number: maskPhoneNumber(phoneNumber), number_hash: this.keys.indexOf(phoneNumber) };
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
      const heldUntil = state.hold?.until ?? null;
      this.draft.set(scope, state, {
        ttlMs: FORGOTTEN_AFTER_MS + Math.max(0, (heldUntil ?? 0) - now),
        heldUntil,
      });
    }
  }
}

function numberKey(number: string): string {
  return `number:${number}`;
}

function deviceKey(device: string): string {
  return `device:${device}`;
}

/** A known device has limits of its own, which no stranger can use up. */
function laneOf(number: string, device: string | null): string {
  return device === null ? number : `${number}:${device}`;
}

function keysOf(number: string, device: string | null): string[] {
  return device === null ? [numberKey(number), GAUGE] : [deviceKey(device)];
}

function recordOf(draft: Draft, key: string): GuessRecord {
  return draft.get<GuessRecord>(key) ?? newGuessRecord();
}

function saveRecord(draft: Draft, key: string, record: GuessRecord): void {
  draft.set(key, record, { ttlMs: Math.max(GUESSES_REMEMBERED_MS, DEVICE_TOKEN_TTL_MS) });
}

function gaugeOf(draft: Draft): Gauge {
  return draft.get<Gauge>(GAUGE) ?? newGauge();
}
