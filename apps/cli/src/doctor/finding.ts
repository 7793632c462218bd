import { counted } from '../counted.js';

/** `fault`: the server cannot work so. `warning`: it works, but probably not as the operator wants. */
type State = 'ok' | 'warning' | 'fault';

/** The result of one check. */
export interface Finding {
  /** The dependency or the setting. */
  readonly subject: string;
  readonly state: State;
  /** The observation, and how to fix a fault. Holds no secret. */
  readonly text: string;
}

const MARKS: Record<State, string> = { ok: '✓', warning: '!', fault: '✗' };

export function textOf(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  const lines = findings.map(
    ({ subject, state, text }) => `${MARKS[state]} ${subject.padEnd(width)}  ${text}`,
  );
  const count = (state: State) =>
    counted(findings.filter((finding) => finding.state === state).length, state);
  return [...lines, '', `${count('fault')}, ${count('warning')}`].join('\n');
}

export function hasFault(findings: readonly Finding[]): boolean {
  return findings.some(({ state }) => state === 'fault');
}
