/** The share of `maxmemory` from which an operator is warned. */
const NEARLY_FULL = 0.8;

/** The warning ends a little lower, so that it does not repeat around the limit. */
const RELAXED = 0.75;

const MIB = 2 ** 20;

/** The memory of Redis and its use. */
export interface MemoryUse {
  readonly usedBytes: number;
  /** `maxmemory`; 0 without a limit. */
  readonly maxBytes: number;
  readonly evictionPolicy: string;
}

/** Reads the answer of INFO memory. */
export function readMemoryUse(info: string): MemoryUse {
  const value = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1] ?? '';
  return {
    usedBytes: Number(value('used_memory')),
    maxBytes: Number(value('maxmemory')),
    evictionPolicy: value('maxmemory_policy'),
  };
}

export function isNearlyFull({ usedBytes, maxBytes }: MemoryUse, wasNearlyFull: boolean): boolean {
  return maxBytes > 0 && usedBytes >= maxBytes * (wasNearlyFull ? RELAXED : NEARLY_FULL);
}

/** Any other policy deletes verifications and queued messages when memory runs out. */
export function mayEvict({ evictionPolicy }: MemoryUse): boolean {
  return evictionPolicy !== '' && evictionPolicy !== 'noeviction';
}

export function policyFault({ evictionPolicy }: MemoryUse): string {
  return `Redis evicts keys when its memory is full (maxmemory-policy ${evictionPolicy}), which loses sign-ins and messages: set it to noeviction`;
}

export function fullnessFault({ usedBytes, maxBytes }: MemoryUse): string {
  return `Redis uses ${mib(usedBytes)} of ${mib(maxBytes)} MiB (maxmemory): a full Redis refuses every sign-in`;
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB);
}
