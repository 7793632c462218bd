import { Injectable } from '@nestjs/common';
import { ProofOfWorkRequired } from '#errors';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import type { Draft } from '../state/shared-state.js';
import { type Proof, ProofOfWork } from './proof-of-work.js';

/** Steps requests up: a suspicious request has to bring a proof of work, and each proof counts once. */
@Injectable()
export class StepUpService {
  constructor(
    private readonly proofs: ProofOfWork,
    private readonly events: AbuseEvents,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {}

  /** Returns the proof if it is valid for this number, used or not. */
  async readProof(phoneIndex: string, proof: string | null): Promise<Proof | null> {
    return proof === null ? null : this.proofs.read(proof, phoneIndex, this.clock.now());
  }

  /** Returns the key of the state that decides on a proof. */
  keysOf(proof: Proof | null): string[] {
    return proof === null ? [] : [proofKey(proof)];
  }

  isUsed(draft: Draft, proof: Proof): boolean {
    return draft.get(proofKey(proof)) !== null;
  }

  /** Uses a proof up. Its state is kept until the proof expires. */
  use(draft: Draft, proof: Proof): void {
    draft.set(proofKey(proof), {}, { ttlMs: Math.max(1, proof.expiresAt - this.clock.now()) });
  }

  /**
   * Refuses a request for a contested number that came without a proof. In monitor mode the refusal is only recorded.
   *
   * @throws ProofOfWorkRequired
   */
  async requireProofOfContest(phoneIndex: string, details: Details): Promise<void> {
    await this.requireProof('contested', phoneIndex, this.options.policy.proof.hashes, details);
  }

  /**
   * Refuses a request that came without a proof. In monitor mode the refusal is only recorded.
   *
   * @param name of the event: a limit or a kind of scope.
   * @throws ProofOfWorkRequired
   */
  async requireProof(name: string, phoneIndex: string, hashes: number, details: Details): Promise<void> {
    const { breakerEnforced, policy } = this.options;
    this.events.record(breakerEnforced ? 'refused' : 'would_refuse', { name, hashes, ...details });
    if (!breakerEnforced) return;
    const expiresAt = this.clock.now() + policy.proof.lifetimeSeconds * 1_000;
    throw new ProofOfWorkRequired(await this.proofs.challenge(phoneIndex, hashes, expiresAt));
  }
}

function proofKey({ id }: Proof): string {
  return `proof:${id}`;
}
