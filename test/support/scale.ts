/** The share of the full volume that a run tests. CONTRIBUTING.md says when to run all of it. */
const SCALE = Number(process.env.TEST_SCALE ?? '0.15');

/** True: the run tests everything. */
export const isFullScale = SCALE >= 1;

/** Returns how many of `full` to test. */
export function scaled(full: number): number {
  return Math.ceil(full * SCALE);
}
