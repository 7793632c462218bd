import { execFileSync } from 'node:child_process';
import { findProgram } from './system-programs.js';

const faketime = findProgram(['faketime'], 'servers whose clock is wrong');

export const CAN_FAKE_TIME = faketime !== null;

/**
 * Returns environment variables that shift the clock of a process.
 *
 * @param shift such as `+6m`.
 */
export function clockShiftedBy(shift: string): Record<string, string> {
  // The program knows where its library is. Node starts threads, for which there is a library of its own (-m).
  const output = execFileSync(faketime as string, ['-m', '-f', shift, 'env'], { encoding: 'utf8' });
  const variables = new Map(output.split('\n').map((line) => line.split(/=(.*)/) as [string, string]));
  return {
    LD_PRELOAD: variables.get('LD_PRELOAD') as string,
    FAKETIME: shift,
    // Timers follow the monotonic clock, and would fire at the wrong time.
    DONT_FAKE_MONOTONIC: '1',
  };
}
