import { randomBytes } from 'node:crypto';
import { Keys, nameSecret } from '#keys';
import { DEVICE_TOKEN_TTL_MS, DeviceTokens } from './device-token.js';

const keys = () => new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test'));
const NOW = Date.UTC(2026, 0, 5);
const tokens = new DeviceTokens(keys());

describe('a device token', () => {
  it('names its device and its time, to the number that it was issued on', () => {
    const id = randomBytes(16).toString('base64url');
    expect(tokens.read(tokens.issue('number', NOW, id), 'number', NOW)).toEqual({ id, issuedAt: NOW });
    expect(tokens.read(tokens.issue('number', NOW), 'number', NOW)?.id).not.toBe(id);
  });

  it('is good for no other number and under no other key', () => {
    const token = tokens.issue('number', NOW);
    expect(tokens.read(token, 'another', NOW)).toBeNull();
    expect(new DeviceTokens(keys()).read(token, 'number', NOW)).toBeNull();
    expect(Buffer.from(token, 'base64url').toString('latin1')).not.toContain('number');
  });

  it('ends after 400 days', () => {
    const token = tokens.issue('number', NOW);
    expect(tokens.read(token, 'number', NOW + DEVICE_TOKEN_TTL_MS - 1)).not.toBeNull();
    expect(tokens.read(token, 'number', NOW + DEVICE_TOKEN_TTL_MS)).toBeNull();
  });

  it('is none when any of its bits is another', () => {
    const bytes = Buffer.from(tokens.issue('number', NOW), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const forged = Buffer.from(bytes);
      forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(tokens.read(forged.toString('base64url'), 'number', NOW)).toBeNull();
    }
  });

  it.each(['', 'x', '===', 'a'.repeat(72), 'é'.repeat(72), 'a'.repeat(1_000_000)])(
    'is none of %.20j',
    (token) => {
      expect(tokens.read(token, 'number', NOW)).toBeNull();
    },
  );

  it('has one spelling', () => {
    const token = tokens.issue('number', NOW);
    expect(tokens.read(`${token}=`, 'number', NOW)).toBeNull();
    expect(tokens.read(`${token}\n`, 'number', NOW)).toBeNull();
  });
});
