import { times } from '../../../test/support/repeat.js';
import { inBatches } from './in-batches.js';

describe('inBatches', () => {
  /** The keys of each read. */
  const reads: number[][] = [];
  const double = inBatches(async (keys: readonly number[]) => {
    reads.push([...keys]);
    if (keys.includes(-1)) throw new Error('failed');
    return keys.map((key) => 2 * key);
  });
  beforeEach(() => reads.splice(0));

  it('reads the keys of one turn together', async () => {
    expect(await Promise.all([3, 1, 3].map(double))).toEqual([6, 2, 6]);
    expect(reads).toEqual([[3, 1, 3]]);
  });

  it('reads again in the next turn', async () => {
    expect([await double(3), await double(3)]).toEqual([6, 6]);
    expect(reads).toEqual([[3], [3]]);
  });

  it('reads at most 100 keys at once', async () => {
    const keys = times(250, (i) => i);
    expect(await Promise.all(keys.map(double))).toEqual(keys.map((key) => 2 * key));
    expect(reads.map(({ length }) => length)).toEqual([100, 100, 50]);
  });

  it('fails for every key of a read that fails, and for no other', async () => {
    const outcomes = await Promise.allSettled([double(1), double(-1)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await double(1)).toBe(2);
  });
});
