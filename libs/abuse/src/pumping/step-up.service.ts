import { Injectable } from '@nestjs/common';
import { ProofOfWorkRequired } from '#errors';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { AbuseOptions } from '../abuse-options.js';
import { Clock } from '../clock.js';
import { LimitsService } from '../limits/limits.service.js';
import { type Proof, ProofOfWork } from './proof-of-work.js';

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

  /** Returns the proof if it is valid for this number and not used yet. Does not use it up. */
  async readProof(phoneIndex: string, proof: string | null): Promise<Proof | null> {
    if (proof === null) return null;
    const read = await this.proofs.read(proof, phoneIndex, this.clock.now());
    return read !== null && !(await this.limits.isClaimed(read.id)) ? read : null;
  }

  /** Uses a proof up. Returns true for exactly one caller under any concurrency. */
  useProof({ id, expiresAt }: Proof): Promise<boolean> {
    return this.limits.claimOnce(id, Math.ceil((expiresAt - this.clock.now()) / 1_000));
  }

  /** Makes a proof usable again, because its message was not sent. */
  async returnProof({ id }: Proof): Promise<void> {
    await this.limits.unclaim(id);
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
