import type { Block } from '#abuse';

export class BlockDto {
  /**
   * The blocked scope: its kind and its value.
   * @example "numbers_10k:+1415555"
   */
  id: string;

  /** `block`: no messages are sent. `step_up`: requests for messages need a proof of work. */
  action: 'block' | 'step_up';

  since: Date;

  until: Date;

  static of({ id, action, since, until }: Block): BlockDto {
    return { id, action, since, until };
  }
}

export class BlocksDto {
  blocks: BlockDto[];
}
