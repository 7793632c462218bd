import { Injectable } from '@nestjs/common';
import type { LimitName, Rate } from '#config';
import { RateLimited } from '#errors';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { type Draft, SharedState } from '../state/shared-state.js';
import { apiClientKey } from './client-address.js';
import { countIn, dropEnded, takePoint, type Windows } from './windows.js';

export abstract class LimitPolicy {
  /** The cool-downs between messages to one number, in order; the last one repeats. */
  abstract readonly coolDownsMs: readonly number[];
  abstract readonly sendsPerNumber: readonly Rate[];
  abstract readonly sendsPerAddress: readonly Rate[];
  abstract readonly checksPerAddress: readonly Rate[];
  /** The limits of clients of the API, for requests without the address of a user. */
  abstract readonly clients: readonly ClientLimit[];
  /** Unverified messages of unknown devices in a day, beyond which a number is contested. */
  abstract readonly contestedSends: number;
  /** Limits in monitor mode: refusals are recorded, but nothing is refused. */
  abstract readonly monitored: readonly LimitName[];
}

/** The limits of one client of the API. */
export interface ClientLimit {
  readonly id: string;
  readonly sends: Rate;
  readonly checks: Rate;
}

type AddressLimit = 'sends_per_address' | 'checks_per_address';
type OriginLimit = AddressLimit | 'sends_per_client' | 'checks_per_client';

/** A limit that has no point left. */
export interface ReachedLimit {
  readonly limit: LimitName;
  readonly msLeft: number;
}

/** A limit that a number has used. */
export interface NumberLimit {
  readonly limit: 'cool_down' | 'sends_per_number';
  readonly used: number;
  readonly points: number;
  readonly msLeft: number;
}

/** One limit of a number or an address. */
interface LimitWindow<Name extends LimitName = LimitName> {
  readonly limit: Name;
  /** The name of its window. Limits of the same length share a count. */
  readonly name: string;
  readonly points: number;
  readonly lengthMs: number;
}

/** The cool-down of a number starts again with the shortest one after this time without a message. */
const MESSAGES_FORGOTTEN_AFTER_MS = 3_600_000;
const DAY_MS = 86_400_000;

const COOL_DOWN = 'cool_down';
/** Messages of the last hour, which the length of the cool-down depends on. */
const MESSAGES = 'messages';
/** Messages of today without a code typed in. */
const CONTEST = 'contest';

/** Returns the cool-down after a message to a number that had this many messages in the last hour. */
export function coolDownMs(
  { coolDownsMs }: Pick<LimitPolicy, 'coolDownsMs'>,
  messagesBefore: number,
): number {
  return coolDownsMs[Math.min(messagesBefore, coolDownsMs.length - 1)] as number;
}

/**
 * Counts requests per number and per address. The counts are states of the abuse policy, so that one decision reads and
 * writes them with everything else: methods that take a draft run inside a decision on the keys of `keysOf`.
 */
@Injectable()
export class LimitsService {
  private readonly perNumber: readonly LimitWindow<'cool_down' | 'sends_per_number'>[];
  private readonly perAddress: Record<AddressLimit, readonly LimitWindow<AddressLimit>[]>;
  /** The limits of clients of the API, by the key of their counts. */
  private readonly perClient: ReadonlyMap<string, readonly LimitWindow<OriginLimit>[]>;

  constructor(
    private readonly state: SharedState,
    private readonly policy: LimitPolicy,
    private readonly events: AbuseEvents,
  ) {
    this.perNumber = [
      { limit: 'cool_down', name: COOL_DOWN, points: 1, lengthMs: 0 },
      ...windowsOf('sends_per_number', policy.sendsPerNumber),
    ];
    this.perAddress = {
      sends_per_address: windowsOf('sends_per_address', policy.sendsPerAddress),
      checks_per_address: windowsOf('checks_per_address', policy.checksPerAddress),
    };
    this.perClient = new Map(
      policy.clients.flatMap(({ id, sends, checks }): [string, LimitWindow<OriginLimit>[]][] => [
        [addressKey('sends_per_address', apiClientKey(id)), windowsOf('sends_per_client', [sends])],
        [addressKey('checks_per_address', apiClientKey(id)), windowsOf('checks_per_client', [checks])],
      ]),
    );
  }

  /**
   * Returns the keys of the states that decide on a message.
   *
   * @param key the phone index, or a key for the known devices of the number; never the number itself.
   */
  keysOf(key: string, client: string): string[] {
    return [numberKey(key), addressKey('sends_per_address', client)];
  }

  /** Returns the limits of its address and number that a message has reached, monitored ones included. Counts nothing. */
  reachedBy(draft: Draft, key: string, client: string): ReachedLimit[] {
    const ofAddress = addressKey('sends_per_address', client);
    return [
      ...reachedIn(draft, ofAddress, this.limitsOf('sends_per_address', client)),
      ...reachedIn(draft, numberKey(key), this.perNumber),
    ];
  }

  /** Returns the first limit that is enforced. */
  refusalAmong(reached: readonly ReachedLimit[]): ReachedLimit | null {
    return reached.find(({ limit }) => !this.isMonitored(limit)) ?? null;
  }

  /** Returns true if unknown devices requested several messages for the number today, and typed in no code. */
  isContested(draft: Draft, key: string): boolean {
    const { points } = countIn(windowsIn(draft, numberKey(key)), CONTEST, draft.now);
    return points >= this.policy.contestedSends;
  }

  /** Counts one message of an address. */
  countAddress(draft: Draft, client: string): void {
    const limits = this.limitsOf('sends_per_address', client);
    this.count(draft, addressKey('sends_per_address', client), limits);
  }

  /**
   * Counts one message to a number and starts the number's cool-down.
   *
   * @returns milliseconds until the next message may be requested.
   */
  countMessage(draft: Draft, key: string): number {
    const windows = windowsIn(draft, numberKey(key));
    const { points: messagesBefore } = countIn(windows, MESSAGES, draft.now);
    const coolDown = coolDownMs(this.policy, messagesBefore);
    const { msLeft } = takePoint(windows, COOL_DOWN, coolDown, draft.now);
    for (const [name, lengthMs] of this.messageCounts()) takePoint(windows, name, lengthMs, draft.now);
    save(draft, numberKey(key), windows);
    return msLeft;
  }

  /**
   * Returns the limits that a number has used, and its messages of today without a code typed in. Counts nothing.
   *
   * @param key as for `keysOf`.
   * @throws Unavailable
   */
  usedBy(key: string): Promise<{ limits: NumberLimit[]; unverifiedMessages: number }> {
    return this.state.decide([numberKey(key)], (draft) => {
      const windows = windowsIn(draft, numberKey(key));
      const limits = this.perNumber.flatMap(({ limit, name, points }) => {
        const { points: used, msLeft } = countIn(windows, name, draft.now);
        return used > 0 ? [{ limit, used, points, msLeft }] : [];
      });
      return { limits, unverifiedMessages: countIn(windows, CONTEST, draft.now).points };
    });
  }

  /**
   * Counts one request of an address.
   *
   * @throws RateLimited, Unavailable
   */
  async admitAddress(limit: AddressLimit, client: string, details: Details = {}): Promise<void> {
    const reached = await this.state.decide([addressKey(limit, client)], (draft) =>
      this.takeOfAddress(draft, limit, client),
    );
    this.enforce(reached, details);
  }

  /** Returns the key of the checks of an address, for `takeOfAddress`. */
  keyOfChecks(client: string): string {
    return addressKey('checks_per_address', client);
  }

  /** Counts one request of an address, unless it is refused. Returns the limits that were reached. */
  takeOfAddress(draft: Draft, limit: AddressLimit, client: string): ReachedLimit[] {
    const [key, limits] = [addressKey(limit, client), this.limitsOf(limit, client)];
    const reached = reachedIn(draft, key, limits);
    if (this.refusalAmong(reached) === null) this.count(draft, key, limits);
    return reached;
  }

  /** The wait between the first message to a number and the second. */
  get firstCoolDownMs(): number {
    return coolDownMs(this.policy, 0);
  }

  /** Resets the count of unverified messages, because a code was typed in, inside a decision on `keyOfContest`. */
  clearContest(draft: Draft, phoneIndex: string): void {
    const key = this.keyOfContest(phoneIndex);
    const windows = windowsIn(draft, key);
    if (!windows[CONTEST]) return;
    delete windows[CONTEST];
    save(draft, key, windows);
  }

  keyOfContest(phoneIndex: string): string {
    return numberKey(phoneIndex);
  }

  /**
   * Refuses a request whose limits are reached. Monitored limits only record it.
   *
   * @throws RateLimited
   */
  enforce(reached: readonly ReachedLimit[], details: Details): void {
    for (const { limit, msLeft } of reached) this.refuse(limit, msLeft, details);
  }

  /**
   * Refuses a request under the name of a limit, by a decision made elsewhere.
   *
   * @throws RateLimited, except in monitor mode.
   */
  refuse(limit: LimitName, retryAfterMs: number, details: Details): void {
    const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
    const monitored = this.isMonitored(limit);
    const line = { name: limit, retry_after: retryAfterSeconds, ...details };
    this.events.record(monitored ? 'would_refuse' : 'refused', line);
    if (!monitored) throw new RateLimited(limit, retryAfterSeconds);
  }

  isMonitored(limit: LimitName): boolean {
    return this.policy.monitored.includes(limit);
  }

  /** The windows that one message takes a point from, apart from the cool-down. */
  private messageCounts(): (readonly [name: string, lengthMs: number])[] {
    const limits = this.perNumber.filter(({ name }) => name !== COOL_DOWN);
    return [
      [MESSAGES, MESSAGES_FORGOTTEN_AFTER_MS],
      [CONTEST, DAY_MS],
      ...limits.map(({ name, lengthMs }) => [name, lengthMs] as const),
    ];
  }

  private limitsOf(limit: AddressLimit, client: string): readonly LimitWindow<OriginLimit>[] {
    return this.perClient.get(addressKey(limit, client)) ?? this.perAddress[limit];
  }

  private count(draft: Draft, key: string, limits: readonly LimitWindow[]): void {
    const windows = windowsIn(draft, key);
    for (const { name, lengthMs } of limits) takePoint(windows, name, lengthMs, draft.now);
    save(draft, key, windows);
  }
}

function windowsOf<Name extends LimitName>(limit: Name, rates: readonly Rate[]): LimitWindow<Name>[] {
  return rates.map(({ points, seconds }) => {
    return { limit, name: `${limit}_${seconds}`, points, lengthMs: seconds * 1_000 };
  });
}

function numberKey(key: string): string {
  return `limits:number:${key}`;
}

function addressKey(limit: AddressLimit, client: string): string {
  return `limits:${limit}:${client}`;
}

function reachedIn(draft: Draft, key: string, limits: readonly LimitWindow[]): ReachedLimit[] {
  const windows = windowsIn(draft, key);
  return limits.flatMap(({ limit, name, points: allowed, lengthMs }) => {
    const { points, msLeft } = countIn(windows, name, draft.now);
    return points >= allowed ? [{ limit, msLeft: points > 0 ? msLeft : lengthMs }] : [];
  });
}

function windowsIn(draft: Draft, key: string): Windows {
  return draft.get<Windows>(key) ?? {};
}

function save(draft: Draft, key: string, windows: Windows): void {
  draft.set(key, windows, { ttlMs: dropEnded(windows, draft.now) });
}
