/**
 * Runs work while no other work of the same scope runs. `afterAnotherTab` is true if another tab or worker may have held the
 * scope just before: it can take a moment until this one sees what the other one stored.
 */
export type Exclusive = <T>(work: (afterAnotherTab: boolean) => Promise<T>) => Promise<T>;

interface LockManager {
  request<T>(
    name: string,
    options: { ifAvailable?: boolean },
    work: (lock: object | null) => Promise<T>,
  ): Promise<T>;
}

const TAKEN = Symbol('another tab or call has the lock');

/** Web Locks are missing in old browsers, on pages without HTTPS, and in older versions of Node. */
declare const navigator: { readonly locks?: LockManager } | undefined;

/** The scopes of this process, for where there are no Web Locks. */
const inProcess = new Map<string, Exclusive>();

/** Returns the scope of all tabs and workers of this origin, or of this process where there are no Web Locks. */
export function exclusiveInOrigin(name: string): Exclusive {
  const locks = typeof navigator === 'undefined' ? undefined : navigator.locks;
  if (locks) return (work) => withLock(locks, name, work);
  const known = inProcess.get(name) ?? exclusiveHere();
  inProcess.set(name, known);
  return known;
}

async function withLock<T>(
  locks: LockManager,
  name: string,
  work: (afterAnotherTab: boolean) => Promise<T>,
): Promise<T> {
  const attempt = await locks.request<T | typeof TAKEN>(name, { ifAvailable: true }, async (lock) =>
    lock ? work(false) : TAKEN,
  );
  return attempt === TAKEN ? locks.request(name, {}, () => work(true)) : attempt;
}

/** Returns a scope of its own. */
export function exclusiveHere(): Exclusive {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(() => work(false));
    last = turn.catch(() => {});
    return turn;
  };
}
