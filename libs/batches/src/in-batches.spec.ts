import { RolledBack, Unavailable } from '#errors';
import { times } from '../../../test/support/repeat.js';
import { inBatches, writesInTurns } from './in-batches.js';

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

describe('writesInTurns', () => {
  interface Element {
    readonly row: string;
    readonly nth: number;
  }
  /** The elements of each statement. */
  const statements: Element[][] = [];
  const write = writesInTurns<Element, string>(
    ({ row }) => row,
    async (elements) => {
      statements.push([...elements]);
      if (elements.some(({ nth }) => nth === -1)) throw new Error('failed');
      if (elements.some(({ nth }) => nth === -2)) throw new Unavailable('postgres');
      if (elements.some(({ nth }) => nth === -3)) throw new RolledBack('postgres');
      return elements.map(({ row, nth }) => `${row}${nth}`);
    },
  );
  beforeEach(() => statements.splice(0));
  const element = (text: string): Element => ({ row: text.slice(0, 1), nth: Number(text.slice(1)) });
  const outcomesOf = async (texts: string[]) => {
    const outcomes = await Promise.allSettled(texts.map(element).map(write));
    return outcomes.map((each) => (each.status === 'fulfilled' ? each.value : 'failed'));
  };

  it('writes the elements of one turn together, in the order of their rows', async () => {
    expect(await outcomesOf(['b1', 'c1', 'a1'])).toEqual(['b1', 'c1', 'a1']);
    expect(statements).toEqual([['a1', 'b1', 'c1'].map(element)]);
  });

  it('writes elements of one row one after the other, also after one that failed', async () => {
    const all = ['a1', 'b1', 'a-2', 'a3', 'b2'];
    expect(await outcomesOf(all)).toEqual(['a1', 'b1', 'failed', 'a3', 'failed']);
    expect(statements).toEqual([['a1', 'b1'], ['a-2', 'b2'], ['a3']].map((texts) => texts.map(element)));
  });

  it('keeps the order of the calls about one row over several turns', async () => {
    const first = outcomesOf(['a1', 'a2']);
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([first, outcomesOf(['a3', 'b1'])]);
    const order = statements.flat().filter(({ row }) => row === 'a');
    expect(order).toEqual(['a1', 'a2', 'a3'].map(element));
  });

  it.each([
    ['fails otherwise', 'b-1'],
    ['is undone because of others', 'b-3'],
  ])('writes each element alone when the statement %s', async (_, bad) => {
    expect(await outcomesOf(['a1', bad, 'c1'])).toEqual(['a1', 'failed', 'c1']);
    expect(statements.map(({ length }) => length)).toEqual([3, 1, 1, 1]);
  });

  it('writes nothing again when the store does not answer', async () => {
    expect(await outcomesOf(['a1', 'b-2'])).toEqual(['failed', 'failed']);
    expect(statements).toHaveLength(1);
  });
});
