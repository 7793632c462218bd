import { createHash } from 'node:crypto';

interface Challenge {
  readonly parameters: { nonce: string; salt: string; keyPrefix: string };
  readonly signature: string;
}

/** Solves an ALTCHA challenge with nothing but a hash function and returns the value for `altcha`. */
export function solve({ parameters, signature }: Challenge): string {
  const counter = Buffer.alloc(4);
  const head = Buffer.from(parameters.salt + parameters.nonce, 'hex');
  for (let n = 0; ; n += 1) {
    counter.writeUInt32BE(n);
    const derivedKey = createHash('sha256').update(head).update(counter).digest('hex');
    if (derivedKey.startsWith(parameters.keyPrefix)) {
      const solution = { counter: n, derivedKey };
      return Buffer.from(JSON.stringify({ challenge: { parameters, signature }, solution })).toString(
        'base64',
      );
    }
  }
}
