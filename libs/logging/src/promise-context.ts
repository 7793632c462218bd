import { promiseHooks } from 'node:v8';

type Followed<T> = Promise<unknown> & Record<symbol, T | undefined>;

/**
 * A value that code finds again after each `await`, as with `AsyncLocalStorage`. Follows promises only: the callbacks of timers,
 * sockets and events have no value. Until Node 24 `AsyncLocalStorage` follows those too, which takes a sixth of the CPU time of a
 * request.
 */
export class PromiseContext<T> {
  /** The property of a promise that holds its value. A WeakMap would cost what is saved. */
  private readonly property = Symbol('context');
  private readonly stopFollowing: () => void;
  private current: T | undefined;

  constructor() {
    this.stopFollowing = promiseHooks.createHook({
      init: (promise) => {
        if (this.current !== undefined) (promise as Followed<T>)[this.property] = this.current;
      },
      before: (promise) => {
        this.current = (promise as Followed<T>)[this.property];
      },
      after: () => {
        this.current = undefined;
      },
    }) as () => void;
  }

  /** Runs the work with this value. */
  run<R>(value: T, work: () => R): R {
    const outer = this.current;
    this.current = value;
    try {
      return work();
    } finally {
      this.current = outer;
    }
  }

  /** Returns the value of the current work; undefined outside of any. */
  getStore(): T | undefined {
    return this.current;
  }

  /** Follows no more promises. */
  disable(): void {
    this.stopFollowing();
    this.current = undefined;
  }
}
