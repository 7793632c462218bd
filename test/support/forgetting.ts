import { waitFor } from './wait.js';

/**
 * Expects that a cache spares `work` for repeated uses, and only for a second.
 * The clock stops at its present time: a cache may still hold the time of its last use for a moment.
 */
export async function expectForgottenAfterASecond(work: jest.SpyInstance, use: () => unknown): Promise<void> {
  const now = performance.now();
  const clock = jest.spyOn(performance, 'now').mockReturnValue(now);
  try {
    for (let i = 0; i < 3; i += 1) use();
    expect(work).toHaveBeenCalledTimes(1);
    clock.mockReturnValue(now + 1_001);
    await waitFor('work for a forgotten result', () => {
      use();
      return work.mock.calls.length === 2;
    });
  } finally {
    clock.mockRestore();
    work.mockRestore();
  }
}
