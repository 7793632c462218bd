import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Challenge, createChallenge, type Payload, randomInt, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/sha';
import { Keys } from '#keys';

/** A valid proof of work. */
export interface Proof {
  /** Unique for each challenge. */
  readonly id: string;
  readonly expiresAt: number;
}

/**
 * Issues and checks proofs of work, which make each message cost its requester computing time. The protocol is ALTCHA,
 * version 2: the client searches for the counter whose SHA-256, together with the challenge's salt and nonce, begins
 * with the challenge's prefix. A challenge is valid for one phone number and a few minutes.
 */
@Injectable()
export class ProofOfWork {
  private readonly secret: string;
  private readonly solutionSecret: string;
  private readonly numberKey: Buffer;

  constructor(keys: Keys) {
    this.secret = keys.purposeKey('proof of work').toString('hex');
    this.numberKey = keys.purposeKey('number of a proof of work');
    this.solutionSecret = keys.purposeKey('proof of work solution').toString('hex');
  }

  /** @param hashes the average number of hashes until a solution is found. */
  challenge(phoneIndex: string, hashes: number, expiresAt: number): Promise<Challenge> {
    return createChallenge({
      algorithm: 'SHA-256',
      cost: 1,
      // Clients search upwards from zero, so this is the number of hashes: 0.5 to 1.5 times the average.
      counter: randomInt(Math.ceil(hashes * 1.5), Math.floor(hashes / 2)),
      data: { number: this.publicIndexOf(phoneIndex) },
      deriveKey,
      expiresAt: Math.floor(expiresAt / 1_000),
      hmacSignatureSecret: this.secret,
      hmacKeySignatureSecret: this.solutionSecret,
    });
  }

  /**
   * Returns null for a proof that is malformed, forged, wrong, expired or for another number.
   *
   * @param payload the value from the ALTCHA widget: Base64 of JSON with the challenge and its solution.
   */
  async read(payload: string, phoneIndex: string, now: number): Promise<Proof | null> {
    const given = decode(payload);
    if (given?.challenge.parameters?.data?.number !== this.publicIndexOf(phoneIndex)) return null;
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

  /** Challenges are public, so they contain an index of the number that appears nowhere else. */
  private publicIndexOf(phoneIndex: string): string {
    return createHmac('sha256', this.numberKey).update(phoneIndex).digest('base64url');
  }
}

function decode(payload: string): Payload | null {
  try {
    const { challenge, solution } = JSON.parse(Buffer.from(payload, 'base64').toString());
    return typeof challenge.parameters === 'object' && typeof challenge.signature === 'string'
      ? { challenge, solution }
      : null;
  } catch {
    return null;
  }
}
