import DataLoader from 'dataloader';
import { Unavailable } from '#errors';

/** A batch of this size takes a statement a few milliseconds. */
const MAX_BATCH = 100;

/**
 * Joins the calls of one turn of the event loop into one statement, because a statement costs Postgres and its driver more
 * than the row that it finds or writes. Nothing is cached. When the store does not answer, every call of the batch fails.
 * When a statement fails otherwise, it is run for each key alone, so that one key does not fail another.
 *
 * @param run returns a value for each key, in the order of the keys. A run that fails must have changed nothing.
 */
export function inBatches<Key, Value>(
  run: (keys: readonly Key[]) => Promise<Value[]>,
): (key: Key) => Promise<Value> {
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
