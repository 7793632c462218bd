/** Counts how often each status occurs. */
export function countStatuses(things: readonly { readonly status: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of things) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

export function percentiles(values: readonly number[]): Record<'p50' | 'p95' | 'p99' | 'max', number> {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] as number;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** Writes measured numbers to the log of the run, for people who read it: the specs only bound them. */
export function printNumbers(what: string, numbers: object): void {
  process.stdout.write(`    ${what}: ${JSON.stringify(numbers)}\n`);
}
