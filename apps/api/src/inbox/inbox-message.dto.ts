import type { InboxMessage } from '#messaging';

/** A message as it would have reached the phone. */
export class InboxMessageDto {
  id: string;
  /**
   * E.164
   * @example "+14155550100"
   */
  to: string;
  /** @example "sms" */
  channel: string;
  body: string;
  /**
   * The code in the body, by itself.
   * @example "123456"
   */
  code: string;
  created_at: Date;

  static of({ id, to, channel, body, code, createdAt }: InboxMessage): InboxMessageDto {
    return { id, to, channel, body, code, created_at: createdAt };
  }
}
