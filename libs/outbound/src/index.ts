export { type Answer, ExchangeFailed, exchange } from './exchange.js';
export { filteredAgent, isForbiddenAddress } from './filtered-agent.js';
export { retryAfterMs } from './retry-after.js';
