import { createHmac } from 'node:crypto';
import { type Challenge, createChallenge, type Payload, randomInt, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/sha';
import type { Keys } from '#keys';

/** What a proof was made for, and what it can be told apart from others by. */
export interface Proof {
  readonly id: string;
  readonly expiresAt: number;
}

/**
 * Proofs of work by the ALTCHA protocol, version 2: whoever asks looks for the counter whose SHA-256, with the
 * challenge's salt and nonce, begins with the challenge's prefix. Each challenge is for one number and a few minutes.
 */
export class ProofOfWork {
  private readonly secret: string;
  private readonly solutionSecret: string;
  private readonly numberKey: Buffer;

  constructor(keys: Keys) {
    this.secret = keys.purposeKey('proof of work').toString('hex');
    this.numberKey = keys.purposeKey('number of a proof of work');
    this.solutionSecret = keys.purposeKey('proof of work solution').toString('hex');
  }

  /**
   * @param number stands for the number that a message is asked for; not the number itself.
   * @param hashes how many a solution takes on average.
   */
  challenge(number: string, hashes: number, expiresAt: number): Promise<Challenge> {
    return createChallenge({
      algorithm: 'SHA-256',
      cost: 1,
      // The search goes from zero upwards: half of the average at least, half more at most.
      counter: randomInt(Math.ceil(hashes * 1.5), Math.floor(hashes / 2)),
      data: { number: this.nameOf(number) },
      deriveKey,
      expiresAt: Math.floor(expiresAt / 1_000),
      hmacSignatureSecret: this.secret,
      hmacKeySignatureSecret: this.solutionSecret,
    });
  }

  /**
   * Null for whatever is no proof for this number: malformed, forged, wrong, expired, another number's.
   *
   * @param payload as the ALTCHA widget gives it: Base64 of JSON with the challenge and its solution.
   */
  async read(payload: string, number: string, now: number): Promise<Proof | null> {
    const given = decoded(payload);
    if (given?.challenge.parameters?.data?.number !== this.nameOf(number)) return null;
    const { signature, parameters } = given.challenge;
    const expiresAt = (parameters.expiresAt ?? 0) * 1_000;
    if (signature === undefined || expiresAt <= now) return null;
    const { verified } = await verifySolution({
      challenge: given.challenge,
      solution: given.solution,
      deriveKey,
      hmacSignatureSecret: this.secret,
      hmacKeySignatureSecret: this.solutionSecret,
    }).catch(() => ({ verified: false }));
    return verified ? { id: signature, expiresAt } : null;
  }

  /** Challenges are public: what stands for the number in them stands for it nowhere else. */
  private nameOf(number: string): string {
    return createHmac('sha256', this.numberKey).update(number).digest('base64url');
  }
}

function decoded(payload: string): Payload | null {
  try {
    const { challenge, solution } = JSON.parse(Buffer.from(payload, 'base64').toString());
    return typeof challenge.parameters === 'object' && typeof challenge.signature === 'string'
      ? { challenge, solution }
      : null;
  } catch {
    return null;
  }
}
