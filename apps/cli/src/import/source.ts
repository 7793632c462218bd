import type { SourceRecord } from './source-record.js';

/** Accounts of another system. */
export interface Source {
  readonly records: AsyncIterable<SourceRecord>;
  /** The size of the source, in the unit of `done`. */
  readonly total: number;
  /** The part of the source that was read. */
  done(): number;
  /** The largest numeric id of its users. Their clients know these ids. */
  readonly lastId?: number;
  /** The rule for the time of creation, with the name that it has in the source. */
  readonly timeRule?: string;
  /** A fact about the whole source that the operator should know. */
  readonly warning?: string;
  /** True: records are listed with their masked number. */
  readonly namesNumbers?: boolean;
}
