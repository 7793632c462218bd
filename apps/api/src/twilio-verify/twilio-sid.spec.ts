import { randomBytes } from 'node:crypto';
import type { VerificationId } from '#otp';
import { idOfSid, sidOf } from './twilio-sid.js';

describe('the SID of a verification', () => {
  it('has the form of Twilio, and leads back to the id', () => {
    for (let n = 0; n < 1_000; n += 1) {
      const id = randomBytes(16).toString('base64url') as VerificationId;
      expect(sidOf(id)).toMatch(/^VE[0-9a-f]{32}$/);
      expect(idOfSid(sidOf(id))).toBe(id);
    }
  });

  it.each([
    '',
    'VE',
    `VE${'a'.repeat(31)}`,
    `VE${'a'.repeat(33)}`,
    `VE${'A'.repeat(32)}`,
    `VA${'a'.repeat(32)}`,
    'x',
  ])('is not %j', (text) => {
    expect(idOfSid(text)).toBeNull();
  });
});
