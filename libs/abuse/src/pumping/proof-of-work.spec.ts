import { createHash, randomBytes } from 'node:crypto';
import { type Challenge, solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/sha';
import { Keys, nameSecret } from '#keys';
import { ProofOfWork } from './proof-of-work.js';

const keys = () => new Keys(randomBytes(32), nameSecret('a secret that is long enough for a test'));
const proofs = new ProofOfWork(keys());
const HASHES = 200;
const inMinutes = (minutes: number) => (Math.floor(Date.now() / 1_000) + minutes * 60) * 1_000;

const packed = (payload: unknown) => Buffer.from(JSON.stringify(payload)).toString('base64');

/** Solves a challenge by the protocol, without the library. */
function solvedByHand({ parameters }: Challenge): { counter: number; derivedKey: string } {
  for (let counter = 0; ; counter += 1) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(counter);
    const input = [Buffer.from(parameters.salt, 'hex'), Buffer.from(parameters.nonce, 'hex'), number];
    const derivedKey = createHash('sha256').update(Buffer.concat(input)).digest('hex');
    if (derivedKey.startsWith(parameters.keyPrefix)) return { counter, derivedKey };
  }
}

describe('ProofOfWork', () => {
  it.each([
    ['the ALTCHA library', (challenge: Challenge) => solveChallenge({ challenge, deriveKey })],
    ['an independent implementation', async (challenge: Challenge) => solvedByHand(challenge)],
  ])('accepts a solution found by %s', async (_, solve) => {
    const expiresAt = inMinutes(5);
    const challenge = await proofs.challenge('number', HASHES, expiresAt);
    const payload = packed({ challenge, solution: await solve(challenge) });
    expect(await proofs.read(payload, 'number', Date.now())).toEqual({ id: challenge.signature, expiresAt });
  });

  it('demands between 0.5 and 1.5 times the given number of hashes', async () => {
    for (let i = 0; i < 50; i += 1) {
      const { counter } = solvedByHand(await proofs.challenge('number', HASHES, inMinutes(5)));
      expect(counter).toBeGreaterThanOrEqual(HASHES / 2);
      expect(counter).toBeLessThanOrEqual(HASHES * 1.5);
    }
  });

  describe('rejects a proof', () => {
    const expiresAt = inMinutes(5);
    let challenge: Challenge;
    let solution: { counter: number; derivedKey: string };

    beforeAll(async () => {
      challenge = await proofs.challenge('number', HASHES, expiresAt);
      solution = solvedByHand(challenge);
    });

    const read = (payload: unknown, number = 'number', now = Date.now()) =>
      proofs.read(packed(payload), number, now);

    it('for another number, under another key, or after its expiry', async () => {
      const payload = { challenge, solution };
      expect(await read(payload)).not.toBeNull();
      expect(await read(payload, 'another')).toBeNull();
      expect(await read(payload, 'number', expiresAt)).toBeNull();
      expect(await new ProofOfWork(keys()).read(packed(payload), 'number', Date.now())).toBeNull();
    });

    it.each([
      ['number', (p: Challenge['parameters']) => ({ ...p, data: { number: 'another' } })],
      ['expiry', (p: Challenge['parameters']) => ({ ...p, expiresAt: (p.expiresAt ?? 0) + 60 })],
      ['prefix', (p: Challenge['parameters']) => ({ ...p, keyPrefix: '00' })],
      ['salt', (p: Challenge['parameters']) => ({ ...p, salt: '00' })],
      ['key signature', ({ keySignature: _, ...p }: Challenge['parameters']) => p],
    ])('whose %s was changed', async (_, change) => {
      const forged = { ...challenge, parameters: change(challenge.parameters) };
      expect(await read({ challenge: forged, solution }, 'number')).toBeNull();
      expect(await read({ challenge: forged, solution }, 'another')).toBeNull();
    });

    it('whose signature was changed, even in case only', async () => {
      const { signature = '' } = challenge;
      for (const other of ['', '0', '0'.repeat(64), signature.toUpperCase(), `${signature}0`])
        expect(await read({ challenge: { ...challenge, signature: other }, solution })).toBeNull();
    });

    it.each([
      ['no solution', undefined],
      ['null', null],
      ['text', 'text'],
      ['no key', { counter: 1 }],
      ['another key', { counter: 1, derivedKey: '0'.repeat(64) }],
      ['a key that is a number', { counter: 1, derivedKey: 1 }],
    ])('with %s as its solution', async (_, given) => {
      expect(await read({ challenge, solution: given })).toBeNull();
    });

    it.each([-1, 0.5, 2 ** 32, null, '1', [1], {}])('with %j as its counter', async (counter) => {
      expect(await read({ challenge, solution: { ...solution, counter } })).toBeNull();
    });

    it.each([
      null,
      1,
      'text',
      [],
      {},
      { challenge: null },
      { challenge: {} },
      { challenge: { parameters: null, signature: 'x' } },
      { challenge: { parameters: [], signature: 'x' } },
      { challenge: { parameters: { data: null }, signature: 'x' } },
      { challenge: { parameters: { data: { number: 'number' } }, signature: 'x' } },
      { challenge: { parameters: { data: { number: 'number' }, expiresAt: 'never' }, signature: 'x' } },
      { challenge: { parameters: { data: { number: 'number' }, expiresAt: 1e300 }, signature: 'x' } },
      { challenge: { parameters: { data: { number: 'number' }, expiresAt: 1e300 }, signature: 1 } },
    ])('of the value %j', async (payload) => {
      expect(await read(payload)).toBeNull();
    });

    it.each(['', '%%%', 'bm8ganNvbg', 'A'.repeat(2_000_000), '\u0000'])(
      'that cannot be decoded: %.12j',
      async (payload) => {
        expect(await proofs.read(payload, 'number', Date.now())).toBeNull();
      },
    );
  });
});
