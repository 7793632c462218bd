export { AbuseModule } from './abuse.module.js';
export { type AbuseEvent, AbuseEvents, type EventDetails } from './abuse-events.js';
export { AbuseOptions } from './abuse-options.js';
export { Clock } from './clock.js';
export { DEVICE_TOKEN_TTL_MS } from './guessing/device-tokens.js';
export { type Gauge, NETWORK_GROUPS, newGauge } from './guessing/guess-gauge.js';
export {
  type CodeLengths,
  codeLengthFor,
  forgive,
  type Guessable,
  type GuessOutcome,
  type GuessRecord,
  type GuessRules,
  isTrusted,
  knownDeviceGuess,
  newGuessRecord,
  unknownDeviceGuess,
} from './guessing/guess-ledger.js';
export {
  type AdmittedGuess,
  type GuessingClient,
  GuessPolicyService,
  HOLDER_OF_ID,
} from './guessing/guess-policy.service.js';
export { KnownDevicesService } from './guessing/known-devices.service.js';
export { AccountLimits } from './limits/account-limits.js';
export { type ClientAddress, clientAddressOf, originOf } from './limits/client-address.js';
export { LimitPolicy } from './limits/limits.service.js';
export { takePoint, type Windows } from './limits/windows.js';
export { type DeviceLimit, type NumberStatus, NumberStatusService } from './number-status.service.js';
export { DEFAULT_POLICY, type Policy, PolicyFault, readPolicy } from './policy.js';
export {
  type Admitted,
  admit,
  type MessageRequest,
  recordVerified,
  type ScopeStates,
  type Verdict,
} from './pumping/breaker.js';
export { type Block, BreakerService, type VerifiedMessages } from './pumping/breaker.service.js';
export { readPrices } from './pumping/prices.js';
export { type BreakerEvent, newScopeState, type ScopeState } from './pumping/scope-state.js';
export { type Scopes, scopesOf } from './pumping/scopes.js';
export { SendPolicyService } from './pumping/send-policy.service.js';
export type { Requester } from './requester.js';
