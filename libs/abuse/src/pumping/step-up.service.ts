import { Injectable } from '@nestjs/common';
import { ProofOfWorkRequired } from '#errors';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { LimitsService } from '../limits/limits.service.js';
import { ProofOfWork } from './proof-of-work.js';

/** Steps requests up: a suspicious request has to bring a proof of work, and each proof counts once. */
@Injectable()
export class StepUpService {
  constructor(
    private readonly proofs: ProofOfWork,
    private readonly limits: LimitsService,
    private readonly events: AbuseEvents,
    private readonly clock: Clock,
    private readonly options: AbuseOptions,
  ) {}

  /** Uses a proof up. Returns true if it is valid for this number and was not used before. */
  async acceptProof(phoneIndex: string, proof: string | null): Promise<boolean> {
    if (proof === null) return false;
    const now = this.clock.now();
    const read = await this.proofs.read(proof, phoneIndex, now);
    return read !== null && this.limits.claimOnce(read.id, Math.ceil((read.expiresAt - now) / 1_000));
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
