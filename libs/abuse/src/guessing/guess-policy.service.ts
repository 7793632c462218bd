import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CodeRejected } from '#errors';
import { Keys } from '#keys';
import { kindOfNumber, type PhoneNumber } from '#phone';
import { AbuseEvents } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { originOf } from '../limits/client-address.js';
import { LimitsService } from '../limits/limits.service.js';
import { describeNumber, type Requester } from '../requester.js';
import { type Draft, SharedState, type Snapshot } from '../state/shared-state.js';
import {
  type CountedGuess,
  countOfKnownDevice,
  countOfUnknownDevice,
  forgiveTypos,
  type GuessedNumber,
} from './guess-decisions.js';
import { isRaisedEverywhere, NETWORK_GROUPS, type RaisedCountries } from './guess-gauge.js';
import {
  abandon,
  codeLengthFor,
  dayOf,
  type Guessable,
  type GuessRefusal,
  guessesOfYear,
  waitBeforeGuessMs,
} from './guess-ledger.js';
import { deviceKey, gaugeKey, gaugeOf, numberKey, RAISED, recordOf, saveRecord } from './guess-states.js';
import { KnownDevicesService } from './known-devices.service.js';

/** A requester's standing with a number. */
export interface Standing {
  /** The known device; null: the device is unknown. */
  readonly device: string | null;
  /** The length of the requester's next code. */
  readonly codeLength: number;
}

/** The decision on a requester's standing. It changes no state. */
export interface FoundStanding {
  /** The states that it reads. */
  readonly keys: readonly string[];
  standing(draft: Pick<Draft, 'get'>): Standing;
}

/** The state of the guesses at a number, as unknown devices meet it. */
export interface GuessStatus {
  /** The length of their next code. */
  readonly codeLength: number;
  /** Guesses of the last year that count against the number. */
  readonly guesses: number;
  /** The wait before their next guess. */
  readonly waitMs: number;
}

/** A verification whose code is guessed at. */
export interface GuessedAt {
  readonly id: string;
  readonly phoneNumber: PhoneNumber;
  readonly codeLength: number;
  /** The code cannot be made longer: the budget of short codes does not apply, but the other budgets and delays do. */
  readonly hasFixedCode: boolean;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** The known device that opened it. */
  readonly device: string | null;
}

/** A client that guesses at a code. Each client of a verification has attempts of its own. */
export interface GuessingClient {
  /** Tells the clients of one verification apart. */
  readonly key: string;
  /** The client requested the code, or holds the verification's id. */
  readonly hasRequested: boolean;
}

/** The only client of a verification that is found by its id. */
export const HOLDER_OF_ID: GuessingClient = { key: '', hasRequested: true };

/** Permission to compare one code, after the guess was counted. Checking a code requires it. */
export interface AdmittedGuess<Guessed extends GuessedAt = GuessedAt> {
  readonly verification: Guessed;
  readonly attempts: ClientAttempts | null;
  readonly guessable: Guessable;
  /** The known device that makes the guess. */
  readonly device: string | null;
  /** The states that the guess left, with those that its success changes. */
  readonly seen: Snapshot;
}

/** The attempts that a client has at one verification. */
interface ClientAttempts {
  readonly client: string;
  readonly limit: number;
  /** Clients that did not request the code also share a limit. */
  readonly group: { readonly name: string; readonly limit: number } | null;
}

const UNREQUESTED = 'unrequested';

/** Decides which guesses at a code are compared, and how long codes have to be. */
@Injectable()
export class GuessPolicyService {
  private readonly gaugeGroupKey: Buffer;

  constructor(
    private readonly limits: LimitsService,
    private readonly state: SharedState,
    private readonly devices: KnownDevicesService,
    private readonly events: AbuseEvents,
    private readonly keys: Keys,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {
    this.gaugeGroupKey = keys.purposeKey('group of networks');
  }

  /** @throws Unavailable */
  standingOf(phoneNumber: PhoneNumber, requester: Pick<Requester, 'deviceToken'>): Promise<Standing> {
    const { keys, standing } = this.findStanding(phoneNumber, requester);
    return this.state.decide(keys, standing);
  }

  /** Prepares the decision on the requester's standing, for a decision on more than that. */
  findStanding(phoneNumber: PhoneNumber, requester: Pick<Requester, 'deviceToken'>): FoundStanding {
    const now = this.clock.now();
    const number = numberKey(this.keys.phoneIndexOf(phoneNumber));
    const found = this.devices.findRequesting(phoneNumber, requester);
    const gauge = gaugeKey(phoneNumber);
    const keys = [number, gauge, RAISED, ...found.keys];
    const standing = (draft: Pick<Draft, 'get'>): Standing => {
      const device = found.device(draft);
      if (device !== null) return { device, codeLength: this.options.codeLengths.usual };
      const record = recordOf(draft, number);
      const raised = draft.get<RaisedCountries>(RAISED);
      const isEverywhere = isRaisedEverywhere(this.options.policy, raised, dayOf(now));
      return {
        device: null,
        codeLength: codeLengthFor(this.options, record, gaugeOf(draft, gauge), now, isEverywhere),
      };
    };
    return { keys, standing };
  }

  /**
   * Returns what unknown devices meet at this number. Changes nothing.
   *
   * @throws Unavailable
   */
  async facedByUnknownDevices(phoneNumber: PhoneNumber): Promise<GuessStatus> {
    const { codeLength } = await this.standingOf(phoneNumber, { deviceToken: null });
    const key = numberKey(this.keys.phoneIndexOf(phoneNumber));
    return this.state.decide([key], (draft) => {
      const [record, now] = [recordOf(draft, key), this.clock.now()];
      const waitMs = waitBeforeGuessMs(this.options.policy, record, now);
      return { codeLength, guesses: guessesOfYear(record, now), waitMs };
    });
  }

  /** Attempts at one verification, of its only client or of each client that requested it. */
  get maxAttempts(): number {
    return this.options.maxAttempts;
  }

  /** Returns how many attempts a client of several has at one verification; null for the only client. */
  attemptsOf({ key: client, hasRequested }: GuessingClient): ClientAttempts | null {
    const { maxAttempts, policy } = this.options;
    if (client === HOLDER_OF_ID.key) return null;
    if (hasRequested) return { client, limit: maxAttempts, group: null };
    const limit = Math.min(policy.guesses.unrequestedAttempts, maxAttempts);
    return { client, limit, group: { name: UNREQUESTED, limit: maxAttempts } };
  }

  /** @throws RateLimited, Unavailable */
  async admitAddress(requester: Requester): Promise<void> {
    const { client } = originOf(requester);
    await this.limits.admitAddress('checks_per_address', client, { address: client });
  }

  /**
   * Counts a check for its address, and a guess before the code is compared, as if it were wrong. A check that its address may
   * not make is no guess.
   *
   * @param alsoSeen the keys of other states that a success changes.
   * @returns null if the verification accepts no more guesses.
   * @throws CodeRejected, RateLimited, Unavailable
   */
  async admit<Guessed extends GuessedAt>(
    verification: Guessed,
    client: GuessingClient,
    requester: Requester,
    alsoSeen: readonly string[] = [],
  ): Promise<AdmittedGuess<Guessed> | null> {
    const { phoneNumber } = verification;
    const guessable = this.guessableOf(verification, client, requester);
    const counted = await this.countGuess(verification, guessable, requester, alsoSeen);
    const { outcome, raised, device, seen } = counted;
    for (const warning of raised) this.events.record('warning', { name: 'gauge', ...warning });
    const refusal = outcome.outcome === 'compare' ? outcome.unenforced : outcome;
    if (refusal && !this.mayCompare(refusal, phoneNumber, requester)) return null;
    return { verification, attempts: this.attemptsOf(client), guessable, device, seen };
  }

  /**
   * Records that the code was typed in, so the wrong guesses before it were typos.
   *
   * @throws Unavailable
   */
  async recordSuccess({ verification, guessable, device, seen }: AdmittedGuess): Promise<void> {
    const now = this.clock.now();
    const number = this.guessedNumber(verification.phoneNumber);
    const keys = [number.key, number.gauge, ...(device === null ? [] : [deviceKey(device)])];
    await this.state.decide(keys, (draft) => forgiveTypos(draft, number, device, guessable, now), seen);
  }

  /**
   * Returns a token by which a device is known on this number from now on.
   *
   * @param device null for a new device.
   * @param devicesSince the result of `forgetDevices`, if the former devices of the number were revoked.
   */
  issueDeviceToken(phoneNumber: PhoneNumber, device: string | null, devicesSince: Date | null): string {
    return this.devices.issueToken(phoneNumber, device, devicesSince);
  }

  /**
   * Revokes all known devices of the number.
   *
   * @returns the time from which tokens of its devices are valid.
   * @throws Unavailable
   */
  forgetDevices(phoneNumber: PhoneNumber): Promise<Date> {
    return this.devices.forgetAll(phoneNumber);
  }

  /** Returns the known device that acts on the verification: the one that opened it, or the requester's. */
  async deviceOf(verification: GuessedAt, requester: Requester): Promise<string | null> {
    const { keys, device } = this.devices.findActing(verification, requester);
    return keys.length === 0 ? null : this.state.decide(keys, device);
  }

  /** Records that the verification was cancelled, so the guesses at it were foreign. */
  async recordAbandoned({ id, phoneNumber, device }: GuessedAt): Promise<void> {
    const key = device === null ? numberKey(this.keys.phoneIndexOf(phoneNumber)) : deviceKey(device);
    await this.state.decide([key], (draft) => {
      const record = recordOf(draft, key);
      abandon(record, id, this.clock.now());
      if (record.foreign.length > 0) saveRecord(draft, key, record);
    });
  }

  /**
   * Records a refusal. Returns true in monitor mode, which refuses nothing, and false when the verification is used up.
   *
   * @throws CodeRejected, RateLimited
   */
  private mayCompare(refusal: GuessRefusal, phoneNumber: PhoneNumber, requester: Requester): boolean {
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    const details = { ...describeNumber(phoneNumber, phoneIndex), address: originOf(requester).client };
    const isMonitored = this.limits.isMonitored('guesses_per_number');
    if (refusal.outcome === 'wait') {
      this.limits.refuse('guesses_per_number', refusal.waitMs, details);
      return true;
    }
    const name = refusal.outcome === 'unrequested' ? 'unrequested_guesses' : 'guesses_per_number';
    this.events.record(isMonitored ? 'would_refuse' : 'refused', { name, ...details });
    if (refusal.outcome === 'unrequested' && !isMonitored) throw new CodeRejected();
    return isMonitored;
  }

  /**
   * Counts the check and the guess in one decision.
   *
   * @throws RateLimited, Unavailable
   */
  private async countGuess(
    verification: GuessedAt,
    guessable: Guessable,
    requester: Requester,
    alsoSeen: readonly string[],
  ): Promise<CountedGuess & Pick<AdmittedGuess, 'device' | 'seen'>> {
    const { client: address } = originOf(requester);
    const found = this.devices.findActing(verification, requester);
    // Under load a success shares its read with other requests, so seeing its states now would save nothing.
    const forSuccess = this.state.hasWaiting ? [] : alsoSeen;
    const ofGuess = [...found.keys, ...this.keysOfGuess(verification)];
    const keys = [this.limits.keyOfChecks(address), ...ofGuess, ...forSuccess];
    const { result, after } = await this.state.decideAndSee(keys, (draft) => {
      const reached = this.limits.takeOfAddress(draft, 'checks_per_address', address);
      if (this.limits.refusalAmong(reached)) return { reached, counted: null };
      const device = found.device(draft);
      const counted = this.countOn(draft, verification.phoneNumber, device, guessable);
      return { reached, counted: { device, ...counted } };
    });
    this.limits.enforce(result.reached, { address });
    if (!result.counted) throw new Error('a limit that refuses a check was not enforced');
    return { seen: after, ...result.counted };
  }

  private countOn(
    draft: Draft,
    phoneNumber: PhoneNumber,
    device: string | null,
    guessable: Guessable,
  ): CountedGuess {
    const now = this.clock.now();
    if (device !== null) return countOfKnownDevice(draft, this.options.policy, device, guessable, now);
    const number = this.guessedNumber(phoneNumber);
    const isEnforced = !this.limits.isMonitored('guesses_per_number');
    return countOfUnknownDevice(draft, this.options, number, guessable, now, isEnforced);
  }

  private guessedNumber(phoneNumber: PhoneNumber): GuessedNumber {
    const { country } = kindOfNumber(phoneNumber);
    return { key: numberKey(this.keys.phoneIndexOf(phoneNumber)), gauge: gaugeKey(phoneNumber), country };
  }

  private keysOfGuess({ phoneNumber }: GuessedAt): string[] {
    return [numberKey(this.keys.phoneIndexOf(phoneNumber)), gaugeKey(phoneNumber), RAISED];
  }

  private guessableOf(
    { id, codeLength, hasFixedCode, expiresAt }: GuessedAt,
    client: GuessingClient,
    requester: Requester,
  ): Guessable {
    return {
      id,
      codeLength,
      hasFixedCode,
      expiresAt: expiresAt.getTime(),
      maxAttempts: this.attemptsOf(client)?.limit ?? this.options.maxAttempts,
      by: client.key,
      isUnrequested: !client.hasRequested,
      networkGroup: this.networkGroupOf(originOf(requester).network),
    };
  }

  /** Groups networks by a keyed hash, so that an attacker cannot choose networks of different groups. */
  private networkGroupOf(network: string): number {
    return createHmac('sha256', this.gaugeGroupKey).update(network).digest().readUInt32BE() % NETWORK_GROUPS;
  }
}
