import type { Channel, SenderName } from '#config';
import type { PhoneNumber } from '#phone';

/** One message to one person. Body and code may reach the provider and nothing else. */
export interface Message {
  readonly to: PhoneNumber;
  readonly channel: Channel;
  /** What is written, or said. */
  readonly body: string;
  /** What the body says, once more by itself: for a sender that shows it, or fills it into a template of the provider's. */
  readonly code: string;
  /** The language of the body (BCP 47). */
  readonly locale: string;
  /** Seconds after which the provider should drop the message rather than deliver it late. */
  readonly validForSeconds: number;
  /** What the provider's reports on this message name it by. Fit for an address, and tells nothing. */
  readonly reference: string;
}

/** What the provider said when it took a message. */
export interface Receipt {
  /** The provider's own name for the message (Twilio: its SID). */
  readonly providerId: string;
  /** `accepted`: reports will follow. `sent`: nothing more will be heard. `delivered`: it is there. */
  readonly status: 'accepted' | 'sent' | 'delivered';
}

/** Why a message did not arrive, in a word that a client can act on. */
export type FailureReason = 'invalid_number' | 'unreachable' | 'blocked' | 'provider';

/** What could bring the code to the person all the same. */
export type Cure = 'same_again' | 'another_channel' | 'another_sender' | 'another_route' | 'none';

/** What a message's failure means. */
export interface Failure {
  /** The provider's error code or a short word; never its message, which may quote ours. */
  readonly code: string;
  readonly reason: FailureReason;
  readonly cure: Cure;
  /**
   * `bad_number`: no message of this channel will reach the number, so none should be paid for again soon.
   * `account`: somebody has to mend the account. `outage`: nothing goes through this sender until then.
   * `fraud`: the provider takes the message for a pumper's.
   */
  readonly means?: 'bad_number' | 'account' | 'outage' | 'fraud';
}

/** What a provider says of a message after it took it. Reports may come late, twice and in any order. */
export interface DeliveryReport {
  /** The message's own `reference`. */
  readonly reference: string;
  readonly providerId: string;
  readonly status: 'accepted' | 'sent' | 'delivered' | 'undelivered' | 'failed';
  /** With `undelivered` and `failed`. */
  readonly failure?: Failure;
}

/**
 * Hands messages to whoever delivers them. A driver answers within eight seconds, and its errors
 * carry neither credentials nor the message.
 */
export abstract class MessageSender {
  abstract readonly name: SenderName;

  /** What it can carry; nothing else is handed to it. */
  abstract readonly channels: readonly Channel[];

  /**
   * @throws SendRefused when the provider will never take this message.
   * @throws SendDeferred when it may take it later.
   * @throws SendOutcomeUnknown when it may have taken it already.
   */
  abstract send(message: Message): Promise<Receipt>;

  /** @param _tell is called with what it hears of its messages by itself; what comes by HTTP is the API's to tell. */
  onReport(_tell: (report: DeliveryReport) => void): void {}

  /** Whether it wants to be told by `confirm`. */
  get wantsConfirmation(): boolean {
    return false;
  }

  /** The code of the message was typed in: for providers that want to know, and may be told again after a failure. */
  async confirm(_providerId: string): Promise<void> {}
}

/** The provider will not take this message, however often it is asked. */
export class SendRefused extends Error {
  constructor(readonly failure: Failure) {
    super(`the provider refused the message (${failure.code})`);
  }
}

/** The provider did not take the message and can be asked again. */
export class SendDeferred extends Error {
  /**
   * @param reason the provider's error code or a short word.
   * @param retryAfterMs the provider's own wish, when it had one (RFC 9110, section 10.2.3).
   * @param means `throttled`: the provider is there and asks for fewer. `outage`: it is not there.
   */
  constructor(
    readonly reason: string,
    readonly retryAfterMs?: number,
    readonly means: 'outage' | 'throttled' = 'outage',
  ) {
    super(`the provider deferred the message (${reason})`);
  }
}

/** The provider was asked and did not answer whole: the message may be on its way. */
export class SendOutcomeUnknown extends Error {
  constructor(readonly reason: string) {
    super(`the provider may have taken the message (${reason})`);
  }
}
