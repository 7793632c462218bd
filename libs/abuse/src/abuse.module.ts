import { Module } from '@nestjs/common';
import { AbuseEvents } from './abuse-events.js';
import { Clock } from './clock.js';
import { DeviceTokens } from './guessing/device-tokens.js';
import { GuessPolicyService } from './guessing/guess-policy.service.js';
import { KnownDevicesService } from './guessing/known-devices.service.js';
import { AccountLimits } from './limits/account-limits.js';
import { LimitsService } from './limits/limits.service.js';
import { NumberStatusService } from './number-status.service.js';
import { AdmissionService } from './pumping/admission.service.js';
import { BreakerService } from './pumping/breaker.service.js';
import { ProofOfWork } from './pumping/proof-of-work.js';
import { SendPolicyService } from './pumping/send-policy.service.js';
import { SpendingService } from './pumping/spending.service.js';
import { StepUpService } from './pumping/step-up.service.js';
import { SharedState } from './state/shared-state.js';
import { StateStore } from './state/state-store.postgres.js';

/**
 * Decides whether a message may be sent (against SMS pumping) and whether a code may be checked (against guessing). The
 * application provides `LimitPolicy` and `AbuseOptions`.
 */
@Module({
  providers: [
    AbuseEvents,
    StateStore,
    SharedState,
    Clock,
    DeviceTokens,
    ProofOfWork,
    AccountLimits,
    LimitsService,
    StepUpService,
    SpendingService,
    BreakerService,
    GuessPolicyService,
    KnownDevicesService,
    AdmissionService,
    SendPolicyService,
    NumberStatusService,
  ],
  exports: [
    AbuseEvents,
    AccountLimits,
    SendPolicyService,
    GuessPolicyService,
    KnownDevicesService,
    BreakerService,
    NumberStatusService,
    Clock,
  ],
})
export class AbuseModule {}
