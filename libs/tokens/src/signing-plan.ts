const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** The lifetime of a signed token. */
export const SIGNED_TOKEN_TTL_MS = 10 * MINUTE_MS;

/** A new key is published for this time before it signs: verifiers keep the published keys for some minutes. */
export const LEAD_MS = 15 * MINUTE_MS;

/** The next key is created when the newest one has this age. */
export const ROTATE_AFTER_MS = 30 * DAY_MS;

/** A key stays published for this time after its successor has begun to sign. */
const KEPT_MS = DAY_MS;

/** A key by its age. */
export interface Aged {
  readonly ageMs: number;
}

export interface SigningPlan<Key extends Aged> {
  /** Null: there is no key yet. */
  readonly signing: Key | null;
  /** The keys that a valid token may have been signed with, and the next one. */
  readonly published: readonly Key[];
  /** True: another key must be created. */
  readonly needsKey: boolean;
}

/**
 * Decides the use of each key by its age. The first key of an installation signs at once.
 *
 * @param keys the newest first.
 */
export function planSigning<Key extends Aged>(keys: readonly Key[]): SigningPlan<Key> {
  const signs = ({ ageMs }: Key) => ageMs >= LEAD_MS;
  const isPublished = (_: Key, n: number) => (keys[n - 1]?.ageMs ?? 0) < LEAD_MS + KEPT_MS;
  return {
    signing: keys.find(signs) ?? keys.at(-1) ?? null,
    published: keys.filter(isPublished),
    needsKey: (keys[0]?.ageMs ?? Number.POSITIVE_INFINITY) >= ROTATE_AFTER_MS,
  };
}
