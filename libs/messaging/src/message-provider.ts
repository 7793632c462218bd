import type { Channel, ProviderName } from '#config';
import type { PhoneNumber } from '#phone';

/** One message to one recipient. The body and the code may reach the provider and nothing else. */
export interface Message {
  readonly to: PhoneNumber;
  readonly channel: Channel;
  /** The text to write or to speak. */
  readonly body: string;
  /**
   * The code that the body contains, for a provider that shows it or fills it into a template of its own; null for a message
   * without one.
   */
  readonly code: string | null;
  /** The language of the body (BCP 47). */
  readonly locale: string;
  /** Seconds after which the provider should drop the message rather than deliver it late. */
  readonly validForSeconds: number;
  /** Identifies the message in the provider's delivery reports. Safe in a URL, and reveals nothing. */
  readonly reference: string;
}

/** The provider's answer when it accepted a message. */
export interface Receipt {
  /** The provider's id of the message (Twilio: its SID). */
  readonly providerId: string;
  /** `accepted`: delivery reports will follow. `sent`: none will. `delivered`: the message has arrived. */
  readonly status: 'accepted' | 'sent' | 'delivered';
}

/** The cause of a failure, in a word that a client can act on. */
export type FailureReason = 'invalid_number' | 'unreachable' | 'blocked' | 'provider';

/** The kind of route that could still deliver the code. `same_route`: the failure is temporary. */
export type Recovery = 'same_route' | 'another_channel' | 'another_provider' | 'another_route' | 'none';

/** The failure of a message. */
export interface Failure {
  /** The provider's error code or a short word; never its error message, which may quote ours. */
  readonly code: string;
  readonly reason: FailureReason;
  readonly recovery: Recovery;
  /**
   * `account`: an operator must correct the account. `country`: the account may not send to the country. `outage`: the
   * provider carries no message until it is corrected. `fraud`: the provider suspects SMS pumping.
   */
  readonly means?: 'account' | 'country' | 'outage' | 'fraud';
  /** No message by this route reaches the number for about this time, so sending more sooner wastes money. */
  readonly badForMinutes?: number;
  /** True for a report on a message that the provider refused before it cost anything. */
  readonly isFree?: boolean;
}

/** A state of a message, reported by its provider. Reports may arrive late, twice and in any order. */
export interface DeliveryReport {
  readonly status: 'accepted' | 'sent' | 'delivered' | 'undelivered' | 'failed';
  /** The provider's id of the message. */
  readonly providerId?: string;
  /** Present with `undelivered` and `failed`, unless the code was no longer needed. */
  readonly failure?: Failure;
}

/** A delivery state of a message, to be shown with it. */
export interface DeliveryStep {
  readonly status: string;
  readonly reason: FailureReason | null;
  readonly at: Date;
}

/**
 * Carries messages. A driver answers within eight seconds, and its errors contain neither credentials nor the message.
 */
export abstract class MessageProvider {
  abstract readonly name: ProviderName;

  /** The channels that it carries. It gets messages of no other channel. */
  abstract readonly channels: readonly Channel[];

  /**
   * @throws SendRefused when the provider will never accept this message.
   * @throws SendDeferred when it may accept it later.
   * @throws SendOutcomeUnknown when it may have accepted it already.
   */
  abstract send(message: Message): Promise<Receipt>;

  /** False when it sends the code only, in a text of its own: then it gets no message without a code. */
  get sendsText(): boolean {
    return true;
  }

  /** @param _listener receives the reports that the provider creates in this process. The API receives those by HTTP. */
  onReport(_listener: (reference: string, report: DeliveryReport) => void): void {}

  /** True when the provider asks for a call of `confirm`. */
  get wantsConfirmation(): boolean {
    return false;
  }

  /** Tells the provider that the code of a message was entered. May be repeated after a failure. */
  async confirm(_providerId: string): Promise<void> {}

  /**
   * Makes one request that sends nothing and costs nothing, to try the credentials.
   *
   * @throws the errors of `send`.
   */
  async tryCredentials(): Promise<void> {}

  /** Records a delivery state with the message, in a provider that shows its messages. */
  recordStep(_providerId: string, _step: DeliveryStep): void {}
}

/** The provider will never accept this message; a retry has the same outcome. */
export class SendRefused extends Error {
  constructor(readonly failure: Failure) {
    super(`the provider refused the message (${failure.code})`);
  }
}

/** The reason for deferring messages while the circuit is open. */
export const CIRCUIT_OPEN = 'circuit_open';

/** The provider did not accept the message; a retry may succeed. */
export class SendDeferred extends Error {
  /**
   * @param reason the provider's error code or a short word.
   * @param retryAfterMs the wait that the provider asked for, if it did (RFC 9110, section 10.2.3).
   * @param means `throttled`: the provider answers and asks for fewer requests. `outage`: it does not answer properly.
   */
  constructor(
    readonly reason: string,
    readonly retryAfterMs?: number,
    readonly means: 'outage' | 'throttled' = 'outage',
  ) {
    super(`the provider deferred the message (${reason})`);
  }
}

/** The provider gave no complete answer, so it may have accepted the message. */
export class SendOutcomeUnknown extends Error {
  constructor(readonly reason: string) {
    super(`the provider may have taken the message (${reason})`);
  }
}
