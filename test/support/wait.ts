import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;

/** Polls until the condition holds and returns what it found. Tests wait for a thing, never for a time. */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  withinMs = 15_000,
  pollMs = POLL_MS,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await sleep(pollMs);
  }
}
