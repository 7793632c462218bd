/** A sum of messages as of `at`. */
export interface DecayingSum {
  readonly messages: number;
  readonly at: number;
}

/** Returns the rest of a sum after some half-lives. */
export function decayed(sum: DecayingSum | undefined, halfLifeSeconds: number, now: number): number {
  return sum ? sum.messages * 2 ** (-(now - sum.at) / (halfLifeSeconds * 1_000)) : 0;
}
