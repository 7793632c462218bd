import type { Block } from '#auth';

export class BlockDto {
  /**
   * The scope: its kind and what it is.
   * @example "numbers_10k:+1415555"
   */
  id: string;

  /** `block`: nothing is sent. `step_up`: messages need a proof of work first. */
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
