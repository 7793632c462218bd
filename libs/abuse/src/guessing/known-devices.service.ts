import { Injectable } from '@nestjs/common';
import { Keys } from '#keys';
import type { PhoneNumber } from '#phone';
import { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import type { Requester } from '../requester.js';
import { type Draft, SharedState } from '../state/shared-state.js';
import { type Device, DeviceTokens } from './device-tokens.js';
import { type GuessRecord, isTrusted } from './guess-ledger.js';
import { deviceKey, numberKey, recordOf, saveRecord } from './guess-states.js';

type Reading = Pick<Draft, 'get'>;

/** A verification that a device may act on. */
interface ActedOn {
  readonly phoneNumber: PhoneNumber;
  readonly createdAt: Date;
  /** The known device that opened it. */
  readonly device: string | null;
}

/** A look at a device, prepared for a decision. */
export interface DeviceLookup {
  /** The states that it reads. */
  readonly keys: readonly string[];
  /** Returns the id of the device if it is known. */
  device(draft: Reading): string | null;
}

/** Recognises the devices that have signed in on a number before. */
@Injectable()
export class KnownDevicesService {
  constructor(
    private readonly state: SharedState,
    private readonly tokens: DeviceTokens,
    private readonly keys: Keys,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {}

  /** Prepares the look at the device of the requester. */
  findRequesting(phoneNumber: PhoneNumber, { deviceToken }: Pick<Requester, 'deviceToken'>): DeviceLookup {
    return this.lookup(phoneNumber, this.claimed(phoneNumber, deviceToken));
  }

  /** Prepares the look at the device that acts on a verification: the one that opened it, or the requester's. */
  findActing(
    { device, phoneNumber, createdAt }: ActedOn,
    { deviceToken }: Pick<Requester, 'deviceToken'>,
  ): DeviceLookup {
    const opener = device === null ? null : { id: device, issuedAt: createdAt.getTime() };
    return this.lookup(phoneNumber, opener ?? this.claimed(phoneNumber, deviceToken));
  }

  /**
   * Returns a token by which the device is known on this number.
   *
   * @param devicesSince the result of `forgetAll`, if the devices were revoked just now.
   */
  issueToken(phoneNumber: PhoneNumber, device: string | null, devicesSince: Date | null): string {
    const issuedAt = Math.max(this.clock.now(), devicesSince?.getTime() ?? 0);
    return this.tokens.issue(this.keys.phoneIndexOf(phoneNumber), issuedAt, device ?? undefined);
  }

  /**
   * Revokes all known devices of the number.
   *
   * @returns the time from which tokens of its devices are valid.
   * @throws Unavailable
   */
  forgetAll(phoneNumber: PhoneNumber): Promise<Date> {
    const key = numberKey(this.keys.phoneIndexOf(phoneNumber));
    return this.state.decide([key], (draft) => {
      // The extra millisecond also revokes a token that was issued in the same millisecond.
      const devicesSince = this.clock.now() + 1;
      saveRecord(draft, key, { ...recordOf(draft, key), devicesSince });
      return new Date(devicesSince);
    });
  }

  private claimed(phoneNumber: PhoneNumber, token: string | null): Device | null {
    if (token === null) return null;
    return this.tokens.read(token, this.keys.phoneIndexOf(phoneNumber), this.clock.now());
  }

  /** It reads nothing if there is no device. */
  private lookup(phoneNumber: PhoneNumber, device: Device | null): DeviceLookup {
    if (device === null) return { keys: [], device: () => null };
    const [key, now] = [numberKey(this.keys.phoneIndexOf(phoneNumber)), this.clock.now()];
    const isKnown = (draft: Reading) => this.isKnown(draft, recordOf(draft, key), device, now);
    return { keys: [key, deviceKey(device.id)], device: (draft) => (isKnown(draft) ? device.id : null) };
  }

  private isKnown(draft: Reading, number: GuessRecord, { id, issuedAt }: Device, now: number): boolean {
    const isRevoked = number.devicesSince !== undefined && issuedAt < number.devicesSince;
    return !isRevoked && isTrusted(this.options.policy, recordOf(draft, deviceKey(id)), now);
  }
}
