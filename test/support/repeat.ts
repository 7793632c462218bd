export function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** Enough requests at the same time to keep a server busy, few enough not to measure their own queue. */
const IN_FLIGHT = 8;

/** A burst of requests. A machine that does other work as well answers 503 to some of many more. */
export const BURST = 16;

/** Maps the items with limited concurrency and keeps their order. */
export async function mapInFlight<T, R>(
  items: readonly T[],
  work: (item: T, i: number) => Promise<R>,
  inFlight = IN_FLIGHT,
): Promise<R[]> {
  const results: R[] = [];
  const rest = items.entries();
  await Promise.all(
    times(inFlight, async () => {
      for (const [i, item] of rest) results[i] = await work(item, i);
    }),
  );
  return results;
}
