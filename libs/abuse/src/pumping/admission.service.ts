import { Injectable } from '@nestjs/common';
import type { PhoneNumber } from '#phone';
import type { Details } from '../abuse-events.js';
import { Clock } from '../clock.js';
import { type FoundStanding, GuessPolicyService } from '../guessing/guess-policy.service.js';
import { LimitsService, type ReachedLimit } from '../limits/limits.service.js';
import type { Requester } from '../requester.js';
import { type Draft, SharedState } from '../state/shared-state.js';
import type { Admitted, MessageRequest } from './breaker.js';
import { type Assessed, BreakerService } from './breaker.service.js';
import type { Proof } from './proof-of-work.js';
import { RecentRefusals } from './recent-refusals.js';
import { type Refusal, refusalOf, tellsUnknownNumber } from './refusal.js';
import type { BreakerEvent } from './scope-state.js';
import type { Scopes } from './scopes.js';
import { type CapName, type Charge, chargeText } from './spending.js';
import { type PaidMessage, SpendingService } from './spending.service.js';
import { StepUpService } from './step-up.service.js';

/** The limits that a request for an unknown number counts for, although it is refused. */
const OF_ORIGIN = new Set<string>(['sends_per_address', 'sends_per_client']);

/** An admitted message. */
export interface Admission {
  /** The known device that requested it. */
  readonly device: string | null;
  /** The length of its code. */
  readonly codeLength: number;
  /** Milliseconds until the next message may be requested. */
  readonly resendAfterMs: number;
  /** The message's entry in the breaker, sealed. `recordSuccess`, `reportFraud` and `admitFallback` need it. */
  readonly ticket: string;
  /** The charge of the message, for `refund`. */
  readonly charge: string;
}

/** A request for a message to a number that is allowed to get one. */
export interface AskedMessage {
  readonly phoneNumber: PhoneNumber;
  readonly phoneIndex: string;
  readonly requester: Requester;
  /** The client of the requester's address. */
  readonly client: string;
  readonly scopes: Scopes;
  readonly country: string;
  readonly routes: PaidMessage['routes'];
  /** Resolves to true if the number has signed in before. Called once, together with the first read. */
  readonly isKnownNumber: () => Promise<boolean>;
  /** The known device that the message is for, if it is decided already. */
  readonly device: string | null;
  readonly details: Details;
}

/** A message with everything that the decision needs beside the states. */
interface PreparedMessage extends AskedMessage {
  readonly charge: Charge;
  readonly found: FoundStanding;
  /** A valid proof of work, used or not. */
  readonly proof: Proof | null;
}

/** A decision that nothing is counted for, except for an address that learns who has an account. */
interface Refused {
  readonly refusal: Refusal;
  /** Monitored limits that were reached. */
  readonly reached: readonly ReachedLimit[];
  readonly events: readonly BreakerEvent[];
}

/** A decision that is counted. */
interface Counted extends Pick<Admission, 'device' | 'codeLength' | 'resendAfterMs'> {
  readonly refusal: null;
  readonly reached: readonly ReachedLimit[];
  readonly admitted: Admitted;
  readonly assessed: Assessed;
  readonly needsProof: boolean;
  readonly events: readonly BreakerEvent[];
  /** The caps to warn of. */
  readonly warnings: readonly CapName[];
}

/** Admits messages: one decision on all states that matter, read and written in one round trip each. */
@Injectable()
export class AdmissionService {
  private readonly recent = new RecentRefusals();

  constructor(
    private readonly state: SharedState,
    private readonly guesses: GuessPolicyService,
    private readonly limits: LimitsService,
    private readonly stepUp: StepUpService,
    private readonly breaker: BreakerService,
    private readonly spending: SpendingService,
    private readonly clock: Clock,
  ) {}

  /** @throws PhoneNumberNotAllowed, ProofOfWorkRequired, RateLimited, SendsSuspended, Unavailable */
  async admit(asked: AskedMessage): Promise<Admission> {
    const { phoneNumber, phoneIndex, requester, details } = asked;
    const again = isOfUnknownDevice(asked) && this.recent.find(asked, this.clock.now());
    if (again) this.limits.enforce([again], details);
    const message = {
      charge: this.spending.chargeFor(asked),
      found: this.guesses.findStanding(phoneNumber, requester),
      proof: await this.stepUp.readProof(phoneIndex, requester.proof),
      ...asked,
    };
    const decision = await this.decide(message);
    this.breaker.report(decision.events);
    this.limits.enforce(decision.reached, details);
    if (decision.refusal) return this.refuse(decision.refusal, message);
    // Recorded only: an enforced one would have been the refusal.
    if (decision.needsProof) await this.stepUp.requireProofOfContest(phoneIndex, details);
    await this.breaker.enforce(decision.assessed.verdict, phoneIndex, details);
    const { device, codeLength, resendAfterMs, admitted } = decision;
    this.spending.warn(decision.warnings, message.charge);
    const [ticket, charge] = [this.breaker.ticketOf(admitted), chargeText(message.charge)];
    return { device, codeLength, resendAfterMs, ticket, charge };
  }

  private decide(message: PreparedMessage): Promise<Refused | Counted> {
    const keys = this.keysOf(message);
    return this.state.decideWith(message.isKnownNumber(), keys, (draft, knownNumber) =>
      this.decideOn(draft, { knownNumber, ...message }),
    );
  }

  private keysOf(message: PreparedMessage): string[] {
    const { phoneIndex, client, scopes, proof, found, charge } = message;
    return [
      ...this.limits.keysOf(limitKeyOf({ phoneIndex, knownDevice: false }), client),
      ...this.limits.keysOf(limitKeyOf({ phoneIndex, knownDevice: true }), client),
      ...this.breaker.keysOf(scopes, phoneIndex),
      ...this.stepUp.keysOf(proof),
      ...found.keys,
      ...this.spending.keysOf(message, charge),
    ];
  }

  /**
   * Decides on a message and counts it, or refuses it. What refuses for free comes before what is counted, so a refused
   * request uses nothing up and leaves nothing behind.
   */
  private decideOn(
    draft: Draft,
    message: PreparedMessage & { readonly knownNumber: boolean },
  ): Refused | Counted {
    const { phoneIndex, client, country, routes, scopes, knownNumber, charge } = message;
    const { codeLength, ...standing } = message.found.standing(draft);
    const device = message.device ?? standing.device;
    const knownDevice = device !== null;
    const paid = { country, routes, isKnownDevice: knownDevice };
    const obstacle = this.spending.obstacleTo(paid, charge, draft);
    if (obstacle) return { refusal: { by: 'spending', obstacle }, reached: [], events: [] };
    const proof = message.proof && !this.stepUp.isUsed(draft, message.proof) ? message.proof : null;
    const request = { scopes, phoneIndex, knownNumber, knownDevice, proven: proof !== null };
    const assessed = this.breaker.assess(draft, request);
    const limitKey = limitKeyOf(request);
    const reached = this.limits.reachedBy(draft, limitKey, client);
    const mayNeedProof = !request.proven && !knownDevice && message.requester.canProve !== false;
    const needsProof = mayNeedProof && this.limits.isContested(draft, limitKey);
    const refusal = this.refusalOf(assessed, reached, needsProof);
    if (refusal) return this.refused(refusal, draft, client, assessed, reached);
    if (proof) this.stepUp.use(draft, proof);
    const warnings = this.spending.charge(charge, draft);
    const counts = this.count(draft, client, limitKey, request, assessed);
    return { refusal, device, codeLength, reached, assessed, needsProof, warnings, ...counts };
  }

  private refusalOf(
    { verdict }: Assessed,
    reached: readonly ReachedLimit[],
    needsProof: boolean,
  ): Refusal | null {
    const { isEnforced } = this.breaker;
    return refusalOf({
      verdict: isEnforced ? verdict : { outcome: 'send' },
      limit: this.limits.refusalAmong(reached),
      needsProof: isEnforced && needsProof,
    });
  }

  private refused(
    refusal: Refusal,
    draft: Draft,
    client: string,
    { events }: Assessed,
    reached: readonly ReachedLimit[],
  ): Refused {
    const isEnforced = this.breaker.isEnforced;
    const refused = { refusal, reached: [], events: isEnforced ? events : [] };
    if (!tellsUnknownNumber(refusal)) return refused;
    // This answer tells that the number has not signed in before, so it counts as a message of the address.
    this.limits.countAddress(draft, client);
    return { ...refused, reached: reached.filter(({ limit }) => OF_ORIGIN.has(limit)) };
  }

  private count(
    draft: Draft,
    client: string,
    limitKey: string,
    request: MessageRequest,
    assessed: Assessed,
  ): Pick<Counted, 'resendAfterMs' | 'admitted' | 'events'> {
    this.limits.countAddress(draft, client);
    const resendAfterMs = this.limits.countMessage(draft, limitKey);
    const admitted = this.breaker.count(request, assessed);
    return { resendAfterMs, admitted, events: assessed.events };
  }

  private async refuse(refusal: Refusal, message: PreparedMessage): Promise<never> {
    const { phoneIndex, charge, details } = message;
    if (refusal.by === 'limit' && isOfUnknownDevice(message))
      this.recent.remember(message, refusal.limit, this.clock.now());
    if (refusal.by === 'spending') this.spending.refuse(refusal.obstacle, charge, details);
    if (refusal.by === 'limit') this.limits.enforce([refusal.limit], details);
    if (refusal.by === 'contest') await this.stepUp.requireProofOfContest(phoneIndex, details);
    if (refusal.by === 'breaker') await this.breaker.enforce(refusal.verdict, phoneIndex, details);
    throw new Error(`a refusal by the ${refusal.by} was not enforced`);
  }
}

/** True for a request whose refusal by a limit depends on its number and its address alone. */
function isOfUnknownDevice({ device, requester }: AskedMessage): boolean {
  return device === null && requester.deviceToken === null && requester.proof === null;
}

/** Known devices of a number have limits of their own, which unknown devices cannot use up. */
export function limitKeyOf({
  phoneIndex,
  knownDevice,
}: Pick<MessageRequest, 'phoneIndex' | 'knownDevice'>): string {
  return knownDevice ? `${phoneIndex}:known` : phoneIndex;
}
