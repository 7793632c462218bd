import { ApiSchema } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { type InboxMessage, PLANS, type Plan, segmentsOf } from '#messaging';

@ApiSchema({ description: 'A delivery state that the message reached.' })
export class StepDto {
  /**
   * The delivery state.
   * @example "delivered"
   */
  status: string;

  /**
   * Why the message did not arrive.
   * @example "unreachable"
   */
  reason: string | null;

  /**
   * When the message reached the state.
   * @example "2026-11-25T10:00:02.000Z"
   */
  at: Date;
}

@ApiSchema({ description: 'A message as the recipient would have received it.' })
export class InboxMessageDto {
  /**
   * Identifies the message.
   * @example "0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e"
   */
  id: string;
  /**
   * The recipient in E.164 form.
   * @example "+14155550100"
   */
  to: string;
  /**
   * Channel that carries the message.
   * @example "sms"
   */
  channel: string;
  /**
   * Language of the message (BCP 47).
   * @example "en"
   */
  locale: string;
  /**
   * The text of the message.
   * @example "407918 is your code for Latchkey."
   */
  body: string;
  /**
   * The code in the body; null for a message without one.
   * @example "407918"
   */
  code: string | null;
  /**
   * Number of SMS segments of the body; null for other channels.
   * @example 1
   */
  segments: number | null;
  /**
   * When the message was accepted.
   * @example "2026-11-25T10:00:00.000Z"
   */
  created_at: Date;
  /** Delivery states, oldest first. */
  history: StepDto[];

  static of({ id, to, channel, locale, body, code, createdAt, history }: InboxMessage): InboxMessageDto {
    const segments = channel === 'sms' ? segmentsOf(body).segments : null;
    return { id, to, channel, locale, body, code, segments, created_at: createdAt, history: [...history] };
  }
}

@ApiSchema({ description: 'Delivery outcome of future messages.' })
export class PlanDto {
  /**
   * Delivery outcome of future messages. `deliver`: they are delivered. `fail`: they are not delivered because the phone
   * is off. `delay`: no delivery report arrives.
   * @example "fail"
   */
  @IsIn(PLANS, { message: `must be one of ${PLANS.join(', ')}` })
  outcome: Plan;
}
