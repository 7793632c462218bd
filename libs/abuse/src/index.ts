export { AbuseModule } from './abuse.module.js';
export { abuseMetrics } from './abuse-events.js';
export {
  type Admitted,
  admit,
  newScopeState,
  type ScopeState,
  type Scopes,
  type Sender,
  type States,
  type Turn,
  type Verdict,
  verified,
} from './breaker.js';
export { type ClientAddress, clientAddressOf } from './client-address.js';
export { Clock } from './clock.js';
export { DEVICE_TOKEN_TTL_MS } from './device-token.js';
export {
  codeLengthFor,
  deviceGuess,
  forgive,
  type Gauge,
  type Guessable,
  type GuessOutcome,
  type GuessRecord,
  isTrusted,
  newGauge,
  newGuessRecord,
  strangerGuess,
} from './guess-ledger.js';
export { Guesses } from './guesses.service.js';
export { PostgresLimiterStore } from './limiter-store.postgres.js';
export { RedisLimiterStore } from './limiter-store.redis.js';
export { DEFAULT_POLICY, type Policy, PolicyFault, readPolicy } from './policy.js';
export type { Requester } from './requester.js';
export { scopesOf } from './scopes.js';
export { type Block, Sends } from './sends.service.js';
export { readPrices } from './spending.js';
export { PostgresStateStore } from './state-store.postgres.js';
export { RedisStateStore } from './state-store.redis.js';
