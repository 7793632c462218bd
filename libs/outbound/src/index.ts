export {
  type Answer,
  ExchangeFailed,
  type ExchangeLimits,
  exchange,
  PRIVATE_ADDRESS,
  type Question,
} from './exchange.js';
export { filteredAgent } from './filtered-agent.js';
export { retryAfterMs } from './retry-after.js';
