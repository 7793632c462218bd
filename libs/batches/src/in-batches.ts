import DataLoader from 'dataloader';
import { RolledBack, Unavailable } from '#errors';

/** A batch of this size takes a statement a few milliseconds. */
const MAX_BATCH = 100;

type Run<Key, Value> = (keys: readonly Key[]) => Promise<Value[]>;

/**
 * Joins the look-ups of one turn of the event loop into one, because a statement costs Postgres and its driver more than the row
 * that it finds. Nothing is cached. When the store does not answer, every look-up of the batch fails. When a statement fails
 * otherwise, it is run for each key alone, so that one key does not fail another.
 *
 * @param read returns a value for each key, in the order of the keys.
 */
export function inBatches<Key, Value>(read: Run<Key, Value>): (key: Key) => Promise<Value> {
  return joined(read, (error) => !(error instanceof Unavailable));
}

/**
 * Joins the writes of one turn of the event loop, as `inBatches` joins look-ups. When the store has undone a statement because of
 * other statements, each element is written alone, so that a row which another transaction keeps locked fails no other element.
 *
 * @param rowOf returns the key of the row that an element changes.
 * @param write gets the elements in the order of these keys, in which statements should lock their rows. It changes all rows or, if it
 * fails, none. If the answer is lost it throws Unavailable.
 */
export function writesInBatches<Element, Value>(
  rowOf: (element: Element) => string,
  write: Run<Element, Value>,
): (element: Element) => Promise<Value> {
  return joined<Element, Value>(
    async (elements) => {
      const ordered = elements.toSorted((a, b) => (rowOf(a) < rowOf(b) ? -1 : 1));
      const values = await write(ordered);
      const valueOfElement = new Map(ordered.map((element, i) => [element, values[i] as Value]));
      return elements.map((element) => valueOfElement.get(element) as Value);
    },
    (error) => error instanceof RolledBack || !(error instanceof Unavailable),
  );
}

/**
 * Joins writes as `writesInBatches` does. Elements that change the same row are written one after the other, in the order of the
 * calls, and so never by one statement.
 */
export function writesInTurns<Element, Value>(
  rowOf: (element: Element) => string,
  write: Run<Element, Value>,
): (element: Element) => Promise<Value> {
  const writeJoined = writesInBatches(rowOf, write);
  /** The end of the last write of each row that is being written. */
  const ends = new Map<string, Promise<unknown>>();
  return async (element) => {
    const row = rowOf(element);
    const before = ends.get(row);
    const written = before ? before.then(() => writeJoined(element)) : writeJoined(element);
    const end = written.catch(() => {});
    ends.set(row, end);
    try {
      return await written;
    } finally {
      if (ends.get(row) === end) ends.delete(row);
    }
  };
}

/** @param isOfOneKey returns true for an error that one key of several may have caused. */
function joined<Key, Value>(
  run: Run<Key, Value>,
  isOfOneKey: (error: Error) => boolean,
): (key: Key) => Promise<Value> {
  const runAlone = (key: Key): Promise<Value | Error> =>
    run([key]).then(
      ([value]) => value as Value,
      (error: Error) => error,
    );
  const runTogether = (keys: readonly Key[]): Promise<(Value | Error)[]> =>
    run(keys).catch((error: Error) => {
      if (keys.length === 1 || !isOfOneKey(error)) throw error;
      return Promise.all(keys.map(runAlone));
    });
  const loader = new DataLoader<Key, Value>(runTogether, {
    cache: false,
    maxBatchSize: MAX_BATCH,
    batchScheduleFn: (start) => setImmediate(start),
  });
  return (key) => loader.load(key);
}
