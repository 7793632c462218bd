// Solves proofs of work in a Web Worker: one challenge in, one answer out.
import type { Challenge, Solution } from 'altcha-lib';
import { solve } from './solve.js';

/** The answer of the worker. */
export type WorkerAnswer = { readonly solution: Solution } | { readonly error: string };

declare const self: {
  onmessage: ((event: { data: Challenge }) => void) | null;
  postMessage(answer: WorkerAnswer): void;
};

self.onmessage = ({ data }) => {
  solve(data).then(
    (solution) => self.postMessage({ solution }),
    (error: unknown) => self.postMessage({ error: String(error) }),
  );
};
