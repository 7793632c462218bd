/**
 * For specs about anything but the abuse policy, all of whose requests come from one address: limits that they do not
 * reach, and a breaker that only watches.
 */
export const GENEROUS = {
  LIMIT_SENDS_PER_NUMBER: '1000000/1h',
  LIMIT_SENDS_PER_ADDRESS: '1000000/1h',
  LIMIT_CHECKS_PER_ADDRESS: '1000000/1h',
  BREAKER_MODE: 'monitor',
};
