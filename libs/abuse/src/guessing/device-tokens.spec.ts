import { randomBytes } from 'node:crypto';
import { Keys, nameSecret } from '#keys';
import { DEVICE_TOKEN_TTL_MS, DeviceTokens } from './device-tokens.js';

const keys = () => new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test'));
const NOW = Date.UTC(2026, 0, 5);
const tokens = new DeviceTokens(keys());

describe('DeviceTokens', () => {
  it('reads the device and the time back from a token', () => {
    const id = randomBytes(16).toString('base64url');
    expect(tokens.read(tokens.issue('number', NOW, id), 'number', NOW)).toEqual({ id, issuedAt: NOW });
    expect(tokens.read(tokens.issue('number', NOW), 'number', NOW)?.id).not.toBe(id);
  });

  it('rejects a token for another number or under another key', () => {
    const token = tokens.issue('number', NOW);
    expect(tokens.read(token, 'another', NOW)).toBeNull();
    expect(new DeviceTokens(keys()).read(token, 'number', NOW)).toBeNull();
    expect(Buffer.from(token, 'base64url').toString('latin1')).not.toContain('number');
  });

  it('rejects a token after 400 days', () => {
    const token = tokens.issue('number', NOW);
    expect(tokens.read(token, 'number', NOW + DEVICE_TOKEN_TTL_MS - 1)).not.toBeNull();
    expect(tokens.read(token, 'number', NOW + DEVICE_TOKEN_TTL_MS)).toBeNull();
  });

  it('rejects a token in which any single bit was changed', () => {
    const bytes = Buffer.from(tokens.issue('number', NOW), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const forged = Buffer.from(bytes);
      forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(tokens.read(forged.toString('base64url'), 'number', NOW)).toBeNull();
    }
  });

  it.each(['', 'x', '===', 'a'.repeat(72), 'é'.repeat(72), 'a'.repeat(1_000_000)])(
    'rejects %.20j as a token',
    (token) => {
      expect(tokens.read(token, 'number', NOW)).toBeNull();
    },
  );

  it('accepts only one spelling of a token', () => {
    const token = tokens.issue('number', NOW);
    expect(tokens.read(`${token}=`, 'number', NOW)).toBeNull();
    expect(tokens.read(`${token}\n`, 'number', NOW)).toBeNull();
  });
});
