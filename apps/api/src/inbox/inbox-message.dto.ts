import { IsIn } from 'class-validator';
import { type InboxMessage, PLANS, type Plan, segmentsOf } from '#messaging';

/** A delivery state that the message reached. */
export class StepDto {
  /** @example "delivered" */
  status: string;

  /** @example "unreachable" */
  reason: string | null;

  at: Date;
}

/** A message as the recipient would have received it. */
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
   * The code in the body.
   * @example "123456"
   */
  code: string;
  /** Number of SMS segments of the body; null for other channels. */
  segments: number | null;
  created_at: Date;
  /** Delivery states, oldest first. */
  history: StepDto[];

  static of({ id, to, channel, locale, body, code, createdAt, history }: InboxMessage): InboxMessageDto {
    const segments = channel === 'sms' ? segmentsOf(body).segments : null;
    return { id, to, channel, locale, body, code, segments, created_at: createdAt, history: [...history] };
  }
}

export class PlanDto {
  /**
   * Delivery outcome of future messages. `deliver`: they are delivered. `fail`: they are not delivered because the phone
   * is off. `delay`: no delivery report arrives.
   * @example "fail"
   */
  @IsIn(PLANS, { message: `must be one of ${PLANS.join(', ')}` })
  outcome: Plan;
}
