import type { Route } from '#config';

/**
 * The delivery state of a verification's newest message. `accepted`: the provider has it and will report further states.
 * `sent`: the provider sent it, and may report nothing more.
 */
export type DeliveryStatus = 'queued' | 'accepted' | 'sent' | 'delivered' | 'undelivered' | 'failed';

/** The delivery of a verification's newest message, as stored. libs/delivery decides how it changes. */
export interface Delivery {
  readonly status: DeliveryStatus;
  /** Why the message did not arrive; null unless the status is `undelivered` or `failed`. */
  readonly reason: string | null;
  /** The provider's id of the message, once it is known. */
  readonly providerId: string | null;
  /** The number of the message that the client requested. Messages after it replaced it. */
  readonly firstMessage: number;
  /** True if the message was sent once more by the same route. */
  readonly retried: boolean;
  /** `open`: the code may fall back to another route. `used`: it has, which a verification may do once. */
  readonly fallback: 'open' | 'used' | 'none';
  /** When the newest message was requested. The wait for its delivery report starts here. */
  readonly requestedAt: Date;
  readonly updatedAt: Date;
  /** Increases with every change, for optimistic locking. */
  readonly version: number;
}

/** The next state of a delivery. */
export interface DeliveryChange
  extends Pick<Delivery, 'status' | 'reason' | 'providerId' | 'retried' | 'fallback'> {
  readonly route: Route;
  /** True if the change queues one more message. */
  readonly addsMessage: boolean;
  /** The abuse policy's charge of that message. */
  readonly charge?: string | null;
}
