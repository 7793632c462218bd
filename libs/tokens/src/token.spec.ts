import { base32nopad } from '@scure/base';
import { times } from '../../../test/support/repeat.js';
import { isTokenSecret, newTokenSecret } from './token.js';

it('generates token secrets of sixteen random bytes in base32', () => {
  const secrets = times(100, () => newTokenSecret());
  for (const secret of secrets) {
    expect(isTokenSecret(secret)).toBe(true);
    expect(base32nopad.decode(secret)).toHaveLength(16);
  }
  expect(new Set(secrets).size).toBe(100);
});
