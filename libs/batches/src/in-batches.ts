import DataLoader from 'dataloader';

/** A batch of this size takes a statement a few milliseconds. */
const MAX_BATCH = 100;

/**
 * Joins the look-ups of one turn of the event loop into one, because a statement costs Postgres and its driver more than the row
 * that it finds. Nothing is cached. If the read fails, every look-up of its batch fails: check what a client sends before it
 * becomes a key.
 *
 * @param read returns a value for each key, in the order of the keys.
 */
export function inBatches<Key, Value>(
  read: (keys: readonly Key[]) => Promise<Value[]>,
): (key: Key) => Promise<Value> {
  const loader = new DataLoader<Key, Value>(read, {
    cache: false,
    maxBatchSize: MAX_BATCH,
    batchScheduleFn: (run) => setImmediate(run),
  });
  return (key) => loader.load(key);
}
