import type { Challenge, Solution } from 'altcha-lib';
import { LatchkeyError } from './latchkey-error.js';
import type { WorkerAnswer } from './worker.js';

/** The part of a Web Worker that is used. */
export interface ProofWorker {
  onmessage: ((event: { data: WorkerAnswer }) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  postMessage(challenge: Challenge): void;
  terminate(): void;
}

/** Node has none. Bundlers recognise this name together with `new URL('…', import.meta.url)`. */
declare const Worker: (new (url: URL, options: { type: 'module' }) => ProofWorker) | undefined;

/** A second challenge is given when the first one expired on the way. */
const MOST_PROOFS = 2;

/**
 * Sends a request, solves the challenge if the answer demands a proof of work, and sends it again with the proof.
 *
 * @param send sends the request, with the value for `altcha` if there is one.
 * @throws the reason of the signal when it is aborted.
 */
export async function withProof<T>(
  send: (altcha?: string) => Promise<T>,
  signal?: AbortSignal,
  createWorker?: () => ProofWorker | null,
): Promise<T> {
  let altcha: string | undefined;
  for (let proofs = 0; ; proofs += 1) {
    try {
      return await send(altcha);
    } catch (error) {
      const challenge = challengeOf(error);
      if (!challenge || proofs === MOST_PROOFS) throw error;
      altcha = await proofOf(challenge, signal, createWorker);
    }
  }
}

function challengeOf(error: unknown): Challenge | null {
  if (!(error instanceof LatchkeyError) || error.code !== 'proof_of_work_required') return null;
  return (error.problem?.challenge as unknown as Challenge | undefined) ?? null;
}

/**
 * Solves a challenge and returns the value for `altcha`. A worker does it, or this thread where workers do not exist or cannot
 * be loaded.
 *
 * @throws the reason of the signal when it is aborted.
 */
async function proofOf(
  challenge: Challenge,
  signal?: AbortSignal,
  createWorker: () => ProofWorker | null = defaultWorker,
): Promise<string> {
  const solution =
    (await inWorker(challenge, createWorker, signal)) ?? (await inThisThread(challenge, signal));
  return base64Of(JSON.stringify({ challenge, solution }));
}

function defaultWorker(): ProofWorker | null {
  if (typeof Worker === 'undefined') return null;
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
}

/** Returns null if there is no worker. */
async function inWorker(
  challenge: Challenge,
  createWorker: () => ProofWorker | null,
  signal?: AbortSignal,
): Promise<Solution | null> {
  signal?.throwIfAborted();
  const worker = created(createWorker);
  if (!worker) return null;
  let abort = () => {};
  try {
    return await new Promise((resolve, reject) => {
      abort = () => reject(signal?.reason);
      signal?.addEventListener('abort', abort);
      worker.onerror = () => resolve(null);
      worker.onmessage = ({ data }) =>
        'solution' in data ? resolve(data.solution) : reject(new Error(data.error));
      worker.postMessage(challenge);
    });
  } finally {
    signal?.removeEventListener('abort', abort);
    worker.terminate();
  }
}

/** A browser throws if the worker is of another origin, or if the page's policy forbids it. */
function created(createWorker: () => ProofWorker | null): ProofWorker | null {
  try {
    return createWorker();
  } catch {
    return null;
  }
}

/** Loads the code only when it is needed. */
async function inThisThread(challenge: Challenge, signal?: AbortSignal): Promise<Solution> {
  const { solve } = await import('./solve.js');
  return solve(challenge, signal);
}

function base64Of(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
