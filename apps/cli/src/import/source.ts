import type { SourceRecord } from './source-record.js';

/** Accounts of another system. */
export interface Source {
  readonly records: AsyncIterable<SourceRecord>;
  /** The size of the source, in the unit of `done`. */
  readonly total: number;
  /** The part of the source that was read. */
  done(): number;
  /** The largest id that its accounts keep. */
  readonly lastId?: number;
  /** True: records are listed with their masked number. */
  readonly namesNumbers?: boolean;
}
