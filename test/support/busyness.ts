/** The CPU time that one measurement uses. */
const SPIN_MICROSECONDS = 100_000;

/**
 * Returns how many times slower this machine computes now than an idle one: 1 if this process gets a core whenever it
 * needs one, 2 if it gets half of one. A bound on times that users see is multiplied by it, so that it judges the server
 * and not the other programs of the machine. Blocks for a moment.
 */
export function busyness(): number {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  let used = 0;
  while (used < SPIN_MICROSECONDS) {
    const { user, system } = process.cpuUsage(before);
    used = user + system;
  }
  return Math.max(1, (performance.now() - startedAt) / (used / 1_000));
}
