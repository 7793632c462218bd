import type { Route } from '#config';
import type { DeliveryChange } from './delivery.js';
import {
  NO_CHARGE,
  type Purpose,
  type SignUpClient,
  type Verification,
  type VerificationId,
} from './verification.js';

/** The time for which a verification can be read after it expired. */
export const KEPT_AFTER_EXPIRY_MS = 3_600_000;

/** More than the limits let one number have while they are kept. */
export const MAX_FOUND_BY_NUMBER = 20;

/** A verification as stored: the phone number is sealed, and found by its keyed index. */
export type StoredVerification = Omit<Verification, 'phoneNumber'>;

/** A client to add to a verification, or to replace there, by the keyed hash of its cookie. */
export interface NewClient extends SignUpClient {
  readonly id: string;
}

/** The attempts of one client of a verification. */
export interface ClientAttempts {
  readonly client: string;
  readonly limit: number;
  /** Several clients whose attempts together have a limit as well. */
  readonly group: { readonly name: string; readonly limit: number } | null;
}

/** A verification to store. Durations are relative to the store's clock, so that clocks of processes may differ. */
export type NewVerification = Pick<
  StoredVerification,
  | 'id'
  | 'purpose'
  | 'phoneSealed'
  | 'phoneIndex'
  | 'name'
  | 'locale'
  | 'appHash'
  | 'route'
  | 'device'
  | 'codeLength'
  | 'secretId'
> & {
  readonly sessionId?: string | null;
  readonly apiClient?: string | null;
  /** The abuse policy's ticket of the first message. */
  readonly ticket: string | null;
  /** The abuse policy's charge of the first message. */
  readonly charge?: string | null;
  /** The client that requested it, if several clients can. */
  readonly client?: NewClient | null;
  readonly maxAttempts: number;
  readonly ttlMs: number;
  readonly resendAfterMs: number;
  /** True if the code may fall back to another route. */
  readonly hasFallback: boolean;
};

/** Returns a new verification as its store reads it when it has created it. */
export function created(given: NewVerification, createdAt: Date): StoredVerification {
  const after = (ms: number) => new Date(createdAt.getTime() + ms);
  return {
    id: given.id,
    purpose: given.purpose,
    phoneIndex: given.phoneIndex,
    phoneSealed: given.phoneSealed,
    sessionId: given.sessionId ?? null,
    apiClient: given.apiClient ?? null,
    name: given.name,
    locale: given.locale,
    appHash: given.appHash,
    route: given.route,
    device: given.device,
    codeLength: given.codeLength,
    secretId: given.secretId,
    tickets: given.ticket === null ? [] : [given.ticket],
    charges: [given.charge ?? NO_CHARGE],
    status: 'pending',
    attemptsLeft: given.maxAttempts,
    clients: clientsOf(given.client),
    attemptsBy: {},
    createdAt,
    expiresAt: after(given.ttlMs),
    resendAt: after(given.resendAfterMs),
    messageCount: 1,
    delivery: {
      status: 'queued',
      reason: null,
      providerId: null,
      firstMessage: 1,
      retried: false,
      fallback: given.hasFallback ? 'open' : 'none',
      requestedAt: createdAt,
      updatedAt: createdAt,
      version: 1,
    },
    readAt: createdAt,
  };
}

/** Returns the clients of a verification, by their ids, that a message adds. */
export function clientsOf(client: NewClient | null | undefined): Readonly<Record<string, SignUpClient>> {
  if (!client) return {};
  const { id, ...rest } = client;
  return { [id]: rest };
}

/** The changes that an attempt made. */
export interface CountedAttempt extends Pick<StoredVerification, 'attemptsLeft' | 'readAt'> {
  /** The attempts of its client and of that one's group; those of others may be there as well. */
  readonly attemptsBy: Readonly<Record<string, number>>;
  /** The version of the delivery. If it is not the one that was read before, messages were added or reported meanwhile. */
  readonly version: number;
}

/** One more message that the client requests. */
export interface Resend {
  readonly resendAfterMs: number;
  readonly route: Route;
  /** Ignored once the verification has used its fallback. */
  readonly hasFallback: boolean;
  /** Replaces the name given before, unless it is null. */
  readonly name?: string | null;
  /** Replaces the app hash given before, unless it is null. */
  readonly appHash?: string | null;
  /** Replaces the language given before, unless it is null. */
  readonly locale?: string | null;
  readonly ticket?: string | null;
  readonly charge?: string | null;
  readonly client?: NewClient | null;
}

/** The task that sends the newest message of a verification. Its data is `{ id, send }`: the message's number. */
export abstract class MessageTask {
  abstract readonly name: string;
  abstract readonly maxTries: number;
}

/** A message that is still queued. */
export interface QueuedMessage {
  readonly id: VerificationId;
  readonly messageNumber: number;
}

/**
 * Stores verifications. Every change is atomic: a driver that reads, decides in JavaScript and writes back would let
 * parallel guesses share one attempt. A store that cannot answer throws Unavailable and never reports "absent".
 */
export abstract class VerificationStore {
  /** True if every change that queues a message adds its task too, in the same transaction. */
  abstract readonly addsTasks: boolean;

  /** True if the statement that creates a session can approve its verification: see approval.postgres.ts. */
  abstract readonly joinsSessions: boolean;

  /**
   * Resolves if the store takes verifications now. Asked before a message is counted, so that a request which cannot be accepted
   * uses nothing up.
   *
   * @throws Unavailable
   */
  abstract ready(): Promise<void>;

  abstract open(verification: NewVerification): Promise<StoredVerification>;

  abstract find(id: VerificationId): Promise<StoredVerification | null>;

  /**
   * Returns the verifications of the number and purpose that still take codes, newest first, at most ten.
   *
   * @param device the known device that opened it; null for one that an unknown device opened.
   */
  abstract findOpen(
    purpose: Purpose,
    phoneIndex: string,
    device: string | null,
  ): Promise<StoredVerification[]>;

  /**
   * Returns the verifications of the number that are kept, of every purpose, device and status, newest first.
   *
   * @param limit at most `MAX_FOUND_BY_NUMBER`.
   */
  abstract findByNumber(phoneIndex: string, limit: number): Promise<StoredVerification[]>;

  /** Deletes the verifications of the number: at least the newest `MAX_FOUND_BY_NUMBER`. */
  abstract deleteByNumber(phoneIndex: string): Promise<void>;

  /** Queues one more message. Returns null when the verification takes no more codes. */
  abstract resend(id: VerificationId, resend: Resend): Promise<StoredVerification | null>;

  /**
   * Counts one attempt before anything is compared. Returns null when no attempts are left.
   *
   * @param by the client whose attempts are counted; null when the verification has only one.
   */
  abstract attempt(id: VerificationId, by?: ClientAttempts | null): Promise<CountedAttempt | null>;

  /**
   * Claims the verification for the caller who gave the right code. Returns true for exactly one caller under any
   * concurrency. Restores the attempt of the client. No other caller can claim it until `approve`, `release` or the end of the lease;
   * the lease is for callers that died.
   */
  abstract claim(id: VerificationId, leaseMs: number, by?: ClientAttempts | null): Promise<boolean>;

  /** Confirms the claim. */
  abstract approve(id: VerificationId): Promise<void>;

  /** Ends the claim without success: the code can be used again. */
  abstract release(id: VerificationId): Promise<void>;

  /** Closes the verification as if all attempts were used. */
  abstract exhaust(id: VerificationId): Promise<void>;

  /** Returns false when the verification was not open. */
  abstract cancel(id: VerificationId): Promise<boolean>;

  /**
   * Writes a delivery's next state, and returns the time of the change. Returns null, and writes nothing, when its version is no
   * longer the given one.
   *
   * @param sentMessage the message whose task has sent it, if the change is its outcome. A store that adds tasks removes this
   * one in the same transaction.
   */
  abstract changeDelivery(
    id: VerificationId,
    version: number,
    change: DeliveryChange,
    sentMessage?: number | null,
  ): Promise<Date | null>;

  /**
   * Returns messages queued for longer than this, oldest first, including those whose code has expired.
   *
   * @param offset how many of them to skip.
   */
  abstract queuedMessages(olderThanMs: number, limit: number, offset?: number): Promise<QueuedMessage[]>;

  /** Returns verifications that may fall back because their message was requested longer ago than this and is not sent. */
  abstract overdue(olderThanMs: number, limit: number): Promise<VerificationId[]>;

  /** Returns those of the verifications that exist, in any order. */
  abstract findAll(ids: readonly VerificationId[]): Promise<StoredVerification[]>;

  /** Deletes verifications that expired longer ago than `KEPT_AFTER_EXPIRY_MS`. */
  abstract purge(): Promise<void>;
}
