import { Injectable, Logger } from '@nestjs/common';
import { Keys } from '#keys';
import type { PhoneNumber } from '#phone';
import { AbuseEvents } from './abuse-events.js';
import { AbuseOptions } from './abuse-options.js';
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
  isRaised,
  isTrusted,
  newGauge,
  newGuessRecord,
  strangerGuess,
} from './guess-ledger.js';
import { Limits } from './limits.js';
import { describeNumber, type Requester } from './requester.js';
import { type Draft, SharedState } from './shared-state.js';
import { LedgerStore } from './state-store.js';

/** Who somebody is to a number: a device that is known on it, or a stranger. */
export interface Standing {
  readonly device: string | null;
  /** How long the code has to be for them. */
  readonly codeLength: number;
}

/** A verification as far as guessing at it goes. */
export interface GuessedAt {
  readonly id: string;
  readonly phoneNumber: PhoneNumber;
  readonly codeLength: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** The known device that opened it. */
  readonly device: string | null;
  /** `sign_up`: whoever knows the number can guess at it. `sign_in`: only whoever has its id. */
  readonly purpose: 'sign_up' | 'sign_in';
}

const GAUGE = 'gauge';
const EMPTY_KEPT_MS = 60_000;

/** Who may guess at a code, how often, and how long the code has to be for them. */
@Injectable()
export class Guesses {
  private readonly logger = new Logger('Abuse');
  private readonly ledger: SharedState;
  private readonly devices: DeviceTokens;

  constructor(
    private readonly limits: Limits,
    ledgerStore: LedgerStore,
    private readonly events: AbuseEvents,
    private readonly keys: Keys,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {
    this.ledger = new SharedState(ledgerStore);
    this.devices = new DeviceTokens(keys);
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

  /** @throws RateLimited, Unavailable */
  async admitAddress(requester: Requester): Promise<void> {
    const { client } = clientAddressOf(requester.address);
    await this.limits.admitAddress('checks_per_address', client, { address: client });
  }

  /**
   * Counts a guess before it is compared, as if it were wrong.
   *
   * @returns false when the verification takes no guess any more.
   * @throws RateLimited, Unavailable
   */
  async admit(verification: GuessedAt, requester: Requester): Promise<boolean> {
    const now = this.clock.now();
    const { policy } = this.options;
    const number = this.keys.indexOf(verification.phoneNumber);
    const guessable = this.guessable(verification, requester);
    const device = await this.deviceOf(verification, requester);
    const isEnforced = !this.limits.isMonitored('guesses_per_number');
    let raised = false;
    const outcome = await this.ledger.decide(keysOf(number, device), (draft) => {
      if (device !== null) {
        const record = recordOf(draft, deviceKey(device));
        const outcome = deviceGuess(policy, record, guessable, now);
        saveRecord(draft, deviceKey(device), record);
        return outcome;
      }
      const [record, gauge] = [recordOf(draft, numberKey(number)), gaugeOf(draft)];
      const wasRaised = isRaised(policy, gauge, now);
      const outcome = strangerGuess(policy, record, gauge, guessable, now, isEnforced);
      raised = !wasRaised && isRaised(policy, gauge, now);
      if (outcome.outcome === 'compare') {
        saveRecord(draft, numberKey(number), record);
        draft.set(GAUGE, gauge, { ttlMs: GUESSES_REMEMBERED_MS });
      }
      return outcome;
    });
    const { client } = clientAddressOf(requester.address);
    const about = { ...describeNumber(verification.phoneNumber, number), address: client };
    if (raised) this.events.record('warning', { name: 'gauge' });
    if (outcome.outcome === 'exhausted') {
      this.events.record('refused', { name: 'guesses_per_number', ...about });
      return false;
    }
    if (outcome.waitMs) this.limits.refuse('guesses_per_number', outcome.waitMs, about);
    return true;
  }

  /**
   * The code was typed in: what was guessed at it were typos. The person is signed in already, so what fails here is
   * only told.
   *
   * @returns a token for the device, by which it is known on this number from now on.
   */
  async succeeded(verification: GuessedAt, requester: Requester): Promise<string> {
    const device = await this.deviceOf(verification, requester)
      .then(async (device) => {
        await this.forgive(verification, device, requester);
        return device;
      })
      .catch((failure: Error) => {
        this.logger.warn(`typos were not forgiven: ${failure.message}`);
        return null;
      });
    const number = this.keys.indexOf(verification.phoneNumber);
    return this.devices.issue(number, this.clock.now(), device ?? undefined);
  }

  /** The known device that acts on the verification: the one that opened it, or the one whose token is given. */
  async deviceOf(verification: GuessedAt, requester: Requester): Promise<string | null> {
    const { device, phoneNumber, createdAt } = verification;
    if (device === null)
      return requester.deviceToken === null ? null : (await this.standingOf(phoneNumber, requester)).device;
    const key = numberKey(this.keys.indexOf(phoneNumber));
    const opener: Device = { id: device, issuedAt: createdAt.getTime() };
    return this.ledger.decide([key, deviceKey(device)], (draft) => {
      return this.isKnown(draft, recordOf(draft, key), opener, this.clock.now()) ? device : null;
    });
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

  private isKnown(draft: Draft, number: GuessRecord, { id, issuedAt }: Device, now: number): boolean {
    const isRevoked = number.devicesSince !== undefined && issuedAt < number.devicesSince;
    return !isRevoked && isTrusted(this.options.policy, recordOf(draft, deviceKey(id)), now);
  }

  private async forgive(verification: GuessedAt, device: string | null, requester: Requester): Promise<void> {
    const now = this.clock.now();
    const number = this.keys.indexOf(verification.phoneNumber);
    const guessable = this.guessable(verification, requester);
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

  private guessable(verification: GuessedAt, { address }: Requester): Guessable {
    const { id, codeLength, expiresAt, purpose } = verification;
    return {
      id,
      codeLength,
      expiresAt: expiresAt.getTime(),
      maxAttempts: this.options.maxAttempts,
      by: purpose === 'sign_up' ? clientAddressOf(address).client : '',
    };
  }
}

function numberKey(number: string): string {
  return `number:${number}`;
}

function deviceKey(device: string): string {
  return `device:${device}`;
}

function keysOf(number: string, device: string | null): string[] {
  return device === null ? [numberKey(number), GAUGE] : [deviceKey(device)];
}

function recordOf(draft: Draft, key: string): GuessRecord {
  return draft.get<GuessRecord>(key) ?? newGuessRecord();
}

/** A record that says nothing need not be kept: most sign-ins leave one. */
function saveRecord(draft: Draft, key: string, record: GuessRecord): void {
  const isEmpty = record.open.length + record.foreign.length === 0 && record.devicesSince === undefined;
  const ttlMs = isEmpty ? EMPTY_KEPT_MS : Math.max(GUESSES_REMEMBERED_MS, DEVICE_TOKEN_TTL_MS);
  draft.set(key, record, { ttlMs });
}

function gaugeOf(draft: Draft): Gauge {
  return draft.get<Gauge>(GAUGE) ?? newGauge();
}
