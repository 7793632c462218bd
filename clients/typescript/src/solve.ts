import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { type Challenge, type DeriveKeyFunction, type Solution, solveChallenge } from 'altcha-lib';

const HASHES: Record<string, (data: Uint8Array) => Uint8Array> = {
  'SHA-256': sha256,
  'SHA-384': sha384,
  'SHA-512': sha512,
};

/** A challenge is valid for five minutes. */
const TIMEOUT_MS = 300_000;

/**
 * Searches for the counter of a proof of work.
 *
 * @throws the reason of the signal when it is aborted.
 */
export async function solve(challenge: Challenge, signal?: AbortSignal): Promise<Solution> {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const abort = () => controller.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const solution = await solveChallenge({ challenge, controller, deriveKey, timeout: TIMEOUT_MS });
    signal?.throwIfAborted();
    if (!solution) throw new Error('the proof of work took too long');
    return { counter: solution.counter, derivedKey: solution.derivedKey };
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * Hashes in JavaScript: Web Crypto hands each hash to another thread, which takes longer than the hash, and pages without HTTPS
 * do not have it.
 */
const deriveKey: DeriveKeyFunction = async ({ algorithm, cost, keyLength = 32 }, salt, password) => {
  const hash = HASHES[algorithm];
  if (!hash) throw new Error(`unknown algorithm of a proof of work: ${algorithm}`);
  let key = new Uint8Array(salt.length + password.length);
  key.set(salt);
  key.set(password, salt.length);
  for (let round = 0; round < Math.max(1, cost); round += 1) key = new Uint8Array(hash(key));
  return { parameters: {}, derivedKey: key.subarray(0, keyLength) };
};
