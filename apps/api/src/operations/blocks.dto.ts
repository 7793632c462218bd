import { ApiSchema } from '@nestjs/swagger';
import type { Block } from '#abuse';

@ApiSchema({ description: 'A scope that the SMS-abuse breaker blocks.' })
export class BlockDto {
  /**
   * The blocked scope: its kind and its value.
   * @example "numbers_10k:+1415555"
   */
  id: string;

  /** `block`: no messages are sent. `step_up`: requests for messages need a proof of work. */
  action: 'block' | 'step_up';

  /**
   * When the block began.
   * @example "2026-11-25T10:00:00.000Z"
   */
  since: Date;

  /**
   * When the block ends.
   * @example "2026-11-25T11:00:00.000Z"
   */
  until: Date;

  static of({ id, action, since, until }: Block): BlockDto {
    return { id, action, since, until };
  }
}

@ApiSchema({ description: 'The active blocks.' })
export class BlocksDto {
  /** The active blocks. */
  blocks: BlockDto[];
}
