import { IsIn } from 'class-validator';
import { type InboxMessage, PLANS, type Plan, segmentsOf } from '#messaging';

/** A state that the delivery of a message reached. */
export class StepDto {
  /** @example "delivered" */
  status: string;

  /** @example "unreachable" */
  reason: string | null;

  at: Date;
}

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
  /**
   * BCP 47
   * @example "en"
   */
  locale: string;
  body: string;
  /**
   * The code in the body, by itself.
   * @example "123456"
   */
  code: string;
  /** How many SMS the body takes; null for other channels. */
  segments: number | null;
  created_at: Date;
  /** What its delivery went through, oldest first. */
  history: StepDto[];

  static of({ id, to, channel, locale, body, code, createdAt, history }: InboxMessage): InboxMessageDto {
    const segments = channel === 'sms' ? segmentsOf(body).segments : null;
    return { id, to, channel, locale, body, code, segments, created_at: createdAt, history: [...history] };
  }
}

export class PlanDto {
  /**
   * What becomes of the next messages: they arrive (`deliver`), the phone is switched off (`fail`), or nothing more is
   * heard of them (`delay`).
   * @example "fail"
   */
  @IsIn(PLANS, { message: `must be one of ${PLANS.join(', ')}` })
  outcome: Plan;
}
