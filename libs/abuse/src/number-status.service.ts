import { Injectable } from '@nestjs/common';
import type { LimitName } from '#config';
import { Keys } from '#keys';
import { kindOfNumber, type Line, type PhoneNumber } from '#phone';
import { AbuseOptions } from './abuse-options.js';
import { Clock } from './clock.js';
import { GuessPolicyService, type GuessStatus } from './guessing/guess-policy.service.js';
import { clientAddressOf } from './limits/client-address.js';
import { LimitsService, type NumberLimit } from './limits/limits.service.js';
import { limitKeyOf } from './pumping/admission.service.js';
import { type Block, BreakerService } from './pumping/breaker.service.js';
import { SYSTEM, scopesOf } from './pumping/scopes.js';
import { isAllowedCountry } from './pumping/send-policy.service.js';
import type { Caps } from './pumping/spending.js';
import { SpendingService, type SpendingStatus } from './pumping/spending.service.js';

/** A limit that devices of a number have used. */
export interface DeviceLimit extends NumberLimit {
  readonly devices: 'unknown' | 'known';
}

/** Everything of the abuse policy that decides on a message to a number now, except for its requester. */
export interface NumberStatus {
  /** The time of the reading. All waits count from here. */
  readonly at: Date;
  readonly country: string;
  readonly line: Line;
  /** False: `ALLOWED_COUNTRIES` excludes the country. */
  readonly isCountryAllowed: boolean;
  readonly limits: readonly DeviceLimit[];
  /** The next message of an unknown device needs a proof of work. */
  readonly isContested: boolean;
  readonly guessing: GuessStatus;
  /** Blocks of the ranges and the country of the number, and of the whole system. */
  readonly blocks: readonly Block[];
  readonly spending: SpendingStatus & { readonly caps: Caps };
  /** Limits that only record what they would refuse. */
  readonly monitored: readonly LimitName[];
  /** False: blocks and contested numbers are only recorded. */
  readonly isBreakerEnforced: boolean;
}

const WATCHED: readonly LimitName[] = ['cool_down', 'sends_per_number', 'guesses_per_number'];

/** Reads the state of one number. Counts and changes nothing. */
@Injectable()
export class NumberStatusService {
  constructor(
    private readonly limits: LimitsService,
    private readonly guesses: GuessPolicyService,
    private readonly breaker: BreakerService,
    private readonly spending: SpendingService,
    private readonly keys: Keys,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {}

  /** @throws Unavailable */
  async of(phoneNumber: PhoneNumber): Promise<NumberStatus> {
    const { country, line } = kindOfNumber(phoneNumber);
    const { allowedCountries, breakerEnforced, caps, policy } = this.options;
    const [unknown, known, guessing, blocks, spending] = await Promise.all([
      this.limits.usedBy(this.limitKey(phoneNumber, false)),
      this.limits.usedBy(this.limitKey(phoneNumber, true)),
      this.guesses.facedByUnknownDevices(phoneNumber),
      this.blocksOf(phoneNumber, country),
      this.spending.statusOf(country),
    ]);
    return {
      ...{ at: new Date(this.clock.now()), country, line, guessing, blocks },
      isCountryAllowed: isAllowedCountry(country, allowedCountries),
      limits: [
        ...unknown.limits.map((limit) => ({ ...limit, devices: 'unknown' as const })),
        ...known.limits.map((limit) => ({ ...limit, devices: 'known' as const })),
      ],
      isContested: unknown.unverifiedMessages >= policy.guesses.contestedSends,
      spending: { ...spending, caps },
      monitored: WATCHED.filter((limit) => this.limits.isMonitored(limit)),
      isBreakerEnforced: breakerEnforced,
    };
  }

  private limitKey(phoneNumber: PhoneNumber, knownDevice: boolean): string {
    return limitKeyOf({ phoneIndex: this.keys.phoneIndexOf(phoneNumber), knownDevice });
  }

  private async blocksOf(phoneNumber: PhoneNumber, country: string): Promise<Block[]> {
    const { numbers } = scopesOf(clientAddressOf(''), phoneNumber, country);
    const own = new Set([...numbers, SYSTEM]);
    return (await this.breaker.blocks()).filter(({ id }) => own.has(id));
  }
}
