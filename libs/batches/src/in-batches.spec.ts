import { Unavailable } from '#errors';
import { times } from '../../../test/support/repeat.js';
import { inBatches } from './in-batches.js';

describe('inBatches', () => {
  /** The keys of each read. */
  const reads: number[][] = [];
  const double = inBatches(async (keys: readonly number[]) => {
    reads.push([...keys]);
    if (keys.includes(-1)) throw new Error('failed');
    if (keys.includes(-2)) throw new Unavailable('postgres');
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

  it('fails for every key when the store does not answer', async () => {
    const outcomes = await Promise.allSettled([double(1), double(-2)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(reads).toEqual([[1, -2]]);
  });

  it('fails for no other key than the one whose read fails', async () => {
    const outcomes = await Promise.allSettled([1, -1, 2].map(double));
    expect(outcomes).toEqual([
      { status: 'fulfilled', value: 2 },
      { status: 'rejected', reason: new Error('failed') },
      { status: 'fulfilled', value: 4 },
    ]);
  });
});
