import { Injectable, Logger } from '@nestjs/common';
import { Keys } from '#keys';
import type { PhoneNumber } from '#phone';
import { AbuseEvents } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { clientAddressOf } from '../limits/client-address.js';
import { LimitsService } from '../limits/limits.service.js';
import { describeNumber, type Requester } from '../requester.js';
import { type Draft, LedgerState } from '../state/shared-state.js';
import { DEVICE_TOKEN_TTL_MS, type Device, DeviceTokens } from './device-tokens.js';
import {
  abandon,
  codeLengthFor,
  forgive,
  type Gauge,
  GUESSES_REMEMBERED_MS,
  type Guessable,
  type GuessOutcome,
  type GuessRecord,
  isRaised,
  isTrusted,
  knownDeviceGuess,
  newGauge,
  newGuessRecord,
  unknownDeviceGuess,
} from './guess-ledger.js';

/** A requester's standing with a number. */
export interface Standing {
  /** The known device; null: the device is unknown. */
  readonly device: string | null;
  /** The length of the requester's next code. */
  readonly codeLength: number;
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
  /** `sign_up`: any client that knows the number can guess. `sign_in`: only clients that know the id. */
  readonly purpose: 'sign_up' | 'sign_in';
}

/** Permission to compare one code, after the guess was counted. Checking a code requires it. */
export interface AdmittedGuess<Id extends string = string> {
  readonly verificationId: Id;
}

const GAUGE = 'gauge';
const EMPTY_KEPT_MS = 60_000;

/** Decides which guesses at a code are compared, and how long codes have to be. */
@Injectable()
export class GuessPolicyService {
  private readonly logger = new Logger('Abuse');

  constructor(
    private readonly limits: LimitsService,
    private readonly ledger: LedgerState,
    private readonly devices: DeviceTokens,
    private readonly events: AbuseEvents,
    private readonly keys: Keys,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {}

  /** @throws Unavailable */
  standingOf(phoneNumber: PhoneNumber, { deviceToken }: Requester): Promise<Standing> {
    const now = this.clock.now();
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    const claimed = deviceToken === null ? null : this.devices.read(deviceToken, phoneIndex, now);
    const keys = [numberKey(phoneIndex), GAUGE, ...(claimed ? [deviceKey(claimed.id)] : [])];
    return this.ledger.decide(keys, (draft) => {
      const record = recordOf(draft, numberKey(phoneIndex));
      if (claimed && this.isKnown(draft, record, claimed, now))
        return { device: claimed.id, codeLength: this.options.codeLengths.usual };
      return { device: null, codeLength: codeLengthFor(this.options, record, gaugeOf(draft), now) };
    });
  }

  /** @throws RateLimited, Unavailable */
  async admitAddress(requester: Requester): Promise<void> {
    const { client } = clientAddressOf(requester.address);
    await this.limits.admitAddress('checks_per_address', client, { address: client });
  }

  /**
   * Counts a guess before the code is compared, as if it were wrong.
   *
   * @returns null if the verification accepts no more guesses.
   * @throws RateLimited, Unavailable
   */
  async admit<Id extends string>(
    verification: GuessedAt & { readonly id: Id },
    requester: Requester,
  ): Promise<AdmittedGuess<Id> | null> {
    const phoneIndex = this.keys.phoneIndexOf(verification.phoneNumber);
    const guessable = this.guessableOf(verification, requester);
    const device = await this.deviceOf(verification, requester);
    const outcome =
      device === null
        ? await this.countUnknownDeviceGuess(phoneIndex, guessable)
        : await this.countKnownDeviceGuess(device, guessable);
    const { client } = clientAddressOf(requester.address);
    const details = { ...describeNumber(verification.phoneNumber, phoneIndex), address: client };
    if (outcome.outcome === 'exhausted') {
      this.events.record('refused', { name: 'guesses_per_number', ...details });
      return null;
    }
    if (outcome.waitMs) this.limits.refuse('guesses_per_number', outcome.waitMs, details);
    return { verificationId: verification.id };
  }

  /**
   * Records that the code was typed in, so the wrong guesses before it were typos. The user is signed in already, so
   * failures are logged, not thrown.
   *
   * @returns a token by which the device is known on this number from now on.
   */
  async recordSuccess(verification: GuessedAt, requester: Requester): Promise<string> {
    const device = await this.deviceOf(verification, requester)
      .then(async (device) => {
        await this.forgive(verification, device, requester);
        return device;
      })
      .catch((failure: Error) => {
        this.logger.warn(`could not forgive typos: ${failure.message}`);
        return null;
      });
    const phoneIndex = this.keys.phoneIndexOf(verification.phoneNumber);
    return this.devices.issue(phoneIndex, this.clock.now(), device ?? undefined);
  }

  /** Returns the known device that acts on the verification: the one that opened it, or the requester's. */
  async deviceOf(verification: GuessedAt, requester: Requester): Promise<string | null> {
    const { device, phoneNumber, createdAt } = verification;
    if (device === null)
      return requester.deviceToken === null ? null : (await this.standingOf(phoneNumber, requester)).device;
    const key = numberKey(this.keys.phoneIndexOf(phoneNumber));
    const opener: Device = { id: device, issuedAt: createdAt.getTime() };
    return this.ledger.decide([key, deviceKey(device)], (draft) => {
      return this.isKnown(draft, recordOf(draft, key), opener, this.clock.now()) ? device : null;
    });
  }

  /** Records that the verification was cancelled, so the guesses at it were foreign. */
  async recordAbandoned({ id, phoneNumber, device }: GuessedAt): Promise<void> {
    const key = device === null ? numberKey(this.keys.phoneIndexOf(phoneNumber)) : deviceKey(device);
    await this.ledger.decide([key], (draft) => {
      const record = recordOf(draft, key);
      abandon(record, id, this.clock.now());
      if (record.foreign.length > 0) saveRecord(draft, key, record);
    });
  }

  /** Revokes all known devices of the number. */
  async forgetDevices(phoneNumber: PhoneNumber): Promise<void> {
    const key = numberKey(this.keys.phoneIndexOf(phoneNumber));
    await this.ledger.decide([key], (draft) => {
      // The extra millisecond also revokes a token that was issued in the same millisecond.
      saveRecord(draft, key, { ...recordOf(draft, key), devicesSince: this.clock.now() + 1 });
    });
  }

  private countKnownDeviceGuess(device: string, guessable: Guessable): Promise<GuessOutcome> {
    const key = deviceKey(device);
    return this.ledger.decide([key], (draft) => {
      const record = recordOf(draft, key);
      const outcome = knownDeviceGuess(this.options.policy, record, guessable, this.clock.now());
      saveRecord(draft, key, record);
      return outcome;
    });
  }

  private async countUnknownDeviceGuess(phoneIndex: string, guessable: Guessable): Promise<GuessOutcome> {
    const now = this.clock.now();
    const { policy } = this.options;
    const isEnforced = !this.limits.isMonitored('guesses_per_number');
    const key = numberKey(phoneIndex);
    const { outcome, isNewlyRaised } = await this.ledger.decide([key, GAUGE], (draft) => {
      const [record, gauge] = [recordOf(draft, key), gaugeOf(draft)];
      const wasRaised = isRaised(policy, gauge, now);
      const outcome = unknownDeviceGuess(this.options, record, gauge, guessable, now, isEnforced);
      if (outcome.outcome === 'compare') {
        saveRecord(draft, key, record);
        saveGauge(draft, gauge);
      }
      return { outcome, isNewlyRaised: !wasRaised && isRaised(policy, gauge, now) };
    });
    if (isNewlyRaised) this.events.record('warning', { name: 'gauge' });
    return outcome;
  }

  private isKnown(draft: Draft, number: GuessRecord, { id, issuedAt }: Device, now: number): boolean {
    const isRevoked = number.devicesSince !== undefined && issuedAt < number.devicesSince;
    return !isRevoked && isTrusted(this.options.policy, recordOf(draft, deviceKey(id)), now);
  }

  private async forgive(verification: GuessedAt, device: string | null, requester: Requester): Promise<void> {
    const now = this.clock.now();
    const key = numberKey(this.keys.phoneIndexOf(verification.phoneNumber));
    const guessable = this.guessableOf(verification, requester);
    const keys = [key, GAUGE, ...(device === null ? [] : [deviceKey(device)])];
    await this.ledger.decide(keys, (draft) => {
      const [record, gauge] = [recordOf(draft, key), gaugeOf(draft)];
      if (record.open.some(({ id }) => id === verification.id)) {
        forgive(this.options, record, gauge, guessable, now);
        saveRecord(draft, key, record);
        saveGauge(draft, gauge);
      }
      if (device === null) return;
      const own = recordOf(draft, deviceKey(device));
      forgive(this.options, own, null, guessable, now);
      saveRecord(draft, deviceKey(device), own);
    });
  }

  private guessableOf(verification: GuessedAt, { address }: Requester): Guessable {
    const { id, codeLength, hasFixedCode, expiresAt, purpose } = verification;
    return {
      id,
      codeLength,
      hasFixedCode,
      expiresAt: expiresAt.getTime(),
      maxAttempts: this.options.maxAttempts,
      by: purpose === 'sign_up' ? clientAddressOf(address).client : '',
    };
  }
}

function numberKey(phoneIndex: string): string {
  return `number:${phoneIndex}`;
}

function deviceKey(device: string): string {
  return `device:${device}`;
}

function recordOf(draft: Draft, key: string): GuessRecord {
  return draft.get<GuessRecord>(key) ?? newGuessRecord();
}

/** Most sign-ins leave an empty record, which is soon deleted. */
function saveRecord(draft: Draft, key: string, record: GuessRecord): void {
  const isEmpty = record.open.length + record.foreign.length === 0 && record.devicesSince === undefined;
  const ttlMs = isEmpty ? EMPTY_KEPT_MS : Math.max(GUESSES_REMEMBERED_MS, DEVICE_TOKEN_TTL_MS);
  draft.set(key, record, { ttlMs });
}

function gaugeOf(draft: Draft): Gauge {
  return draft.get<Gauge>(GAUGE) ?? newGauge();
}

function saveGauge(draft: Draft, gauge: Gauge): void {
  draft.set(GAUGE, gauge, { ttlMs: GUESSES_REMEMBERED_MS });
}
