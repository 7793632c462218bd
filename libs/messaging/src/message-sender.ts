import type { PhoneNumber } from '#phone';

/** The ways a code can travel. */
export const CHANNELS = ['sms'] as const;
export type Channel = (typeof CHANNELS)[number];

/** One message to one person. Body and code may reach the provider and nothing else. */
export interface Message {
  readonly to: PhoneNumber;
  readonly channel: Channel;
  readonly body: string;
  /** What the body says, once more by itself: for a sender that shows it. One that delivers sends the body alone. */
  readonly code: string;
  /** Seconds after which the provider should drop the message rather than deliver it late. */
  readonly validForSeconds: number;
}

/** What the provider said when it took a message. */
export interface Receipt {
  /** The provider's own name for the message (Twilio: its SID). */
  readonly providerId: string;
}

/**
 * Hands messages to whoever delivers them. A driver answers within eight seconds, and its errors
 * carry neither credentials nor the message.
 */
export abstract class MessageSender {
  /**
   * @throws SendRefused when the provider will never take this message.
   * @throws SendDeferred when it may take it later.
   * @throws SendOutcomeUnknown when it may have taken it already.
   */
  abstract send(message: Message): Promise<Receipt>;
}

/** The provider will not take this message, however often it is asked. */
export class SendRefused extends Error {
  /** @param reason the provider's error code or a short word; never its message, which may quote ours. */
  constructor(readonly reason: string) {
    super(`the provider refused the message (${reason})`);
  }
}

/** The provider did not take the message and can be asked again. */
export class SendDeferred extends Error {
  /** @param retryAfterMs the provider's own wish, when it had one (RFC 9110, section 10.2.3). */
  constructor(
    readonly reason: string,
    readonly retryAfterMs?: number,
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
