import { logMembers } from '#logging';

/** A security event. Those of users are written by the statements that they tell about, in the same transaction. */
export type EventKind =
  | 'signed_in'
  | 'refreshed'
  | 'refresh_token_reused'
  | 'session_ended'
  | 'number_changed'
  | 'number_recycled'
  | 'account_deleted'
  | 'number_looked_up'
  | 'block_lifted'
  | 'signing_key_created';

/** An event as stored. */
export interface RecordedEvent {
  readonly id: string;
  readonly at: Date;
  readonly kind: EventKind;
  /** Null after the account was deleted, except for `account_deleted`. */
  readonly userId: string | null;
  readonly sessionId: string | null;
  /** The keyed hash of the number. */
  readonly phoneIndex: string | null;
  /** The number as it was then, masked. */
  readonly phoneMasked: string | null;
  /** IP address of the client, where the request of a client caused the event. */
  readonly address: string | null;
  /** The `X-Request-Id` of the request; null for a command. */
  readonly requestId: string | null;
  readonly details: Readonly<Record<string, string>>;
}

/** Returns the id of the current request; null outside of one. */
export function requestId(): string | null {
  return logMembers().reqId ?? null;
}
