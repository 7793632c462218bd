import DataLoader from 'dataloader';
import { Unavailable } from '#errors';

/** A batch of this size takes a statement a few milliseconds. */
const MAX_BATCH = 100;

type Run<Key, Value> = (keys: readonly Key[]) => Promise<Value[]>;

/** The outcome of an element whose row another element of the batch has changed. */
const LATER = Symbol('later');

/**
 * Joins the calls of one turn of the event loop into one statement, because a statement costs Postgres and its driver more
 * than the row that it finds or writes. Nothing is cached. When the store does not answer, every call of the batch fails.
 * When a statement fails otherwise, it is run for each key alone, so that one key does not fail another.
 *
 * @param run returns a value for each key, in the order of the keys. A run that fails must have changed nothing.
 */
export function inBatches<Key, Value>(run: Run<Key, Value>): (key: Key) => Promise<Value> {
  const runTogether = (keys: readonly Key[]): Promise<(Value | Error)[]> =>
    run(keys).catch((error: Error) => {
      if (keys.length === 1 || error instanceof Unavailable) throw error;
      return Promise.all(keys.map((key) => runAlone(key)));
    });
  const runAlone = (key: Key): Promise<Value | Error> =>
    run([key]).then(
      ([value]) => value as Value,
      (error: Error) => error,
    );
  const loader = new DataLoader<Key, Value>(runTogether, {
    cache: false,
    maxBatchSize: MAX_BATCH,
    batchScheduleFn: (start) => setImmediate(start),
  });
  return (key) => loader.load(key);
}

/**
 * Joins writes as `inBatches` does. Those that change the same row take turns, because a statement changes a row once.
 *
 * @param rowOf returns the key of the row that an element changes.
 * @param run gets the elements in the order of these keys: statements that lock rows in the same order never block each other for
 * good.
 */
export function writesInBatches<Element, Value>(
  rowOf: (element: Element) => string,
  run: Run<Element, Value>,
): (element: Element) => Promise<Value> {
  const writeOrWait = inBatches<Element, Value | typeof LATER>(async (elements) => {
    const firsts = new Map(elements.toReversed().map((element) => [rowOf(element), element]));
    const ordered = [...firsts.keys()].sort().map((row) => firsts.get(row) as Element);
    const values = await run(ordered);
    const outcomes = new Map<Element, Value | typeof LATER>(
      ordered.map((element, i) => [element, values[i] as Value]),
    );
    return elements.map((element) => (outcomes.has(element) ? (outcomes.get(element) as Value) : LATER));
  });
  return async (element) => {
    for (;;) {
      const outcome = await writeOrWait(element);
      if (outcome !== LATER) return outcome;
    }
  };
}
