import { readdirSync, readFileSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import sharp from 'sharp';
import { ImageRejected, Unavailable } from '#errors';
import { BURST, mapInFlight, times } from '../../../test/support/repeat.js';
import { waitFor } from '../../../test/support/wait.js';
import { ImageConverterService } from './image-converter.service.js';

Logger.overrideLogger(false);

/** Returns the ids of the decoding processes that this process has started. */
function decoders(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [, parent] = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
        return (
          Number(parent) === process.pid &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('convert.worker.mjs')
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

const NOISE = { type: 'gaussian', mean: 128, sigma: 30 } as const;

describe('ImageConverterService', () => {
  let converter: ImageConverterService;
  let small: Buffer;
  let large: Buffer;

  beforeAll(async () => {
    const plain = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: 'red' } });
    small = await plain(20, 10).png().toBuffer();
    large = await plain(6_000, 4_000).png().toBuffer();
  });
  beforeEach(() => {
    converter = new ImageConverterService();
  });
  afterEach(() => converter.onApplicationShutdown());

  it('starts processes when it needs them, and ends them at the shutdown', async () => {
    expect(decoders()).toEqual([]);
    const [image] = await converter.toSquares(small, [16]);
    expect(await sharp(image).metadata()).toMatchObject({ format: 'webp', width: 16, height: 16 });
    await Promise.all(times(6, () => converter.toSquares(small, [16])));
    expect(decoders()).toHaveLength(2);
    await converter.onApplicationShutdown();
    await waitFor('the end of the processes', () => decoders().length === 0);
  });

  it.each(['jpeg', 'png', 'webp', 'avif', 'gif'] as const)(
    'converts or rejects every damaged %s',
    async (format) => {
      const image = await sharp({
        create: { width: 64, height: 64, channels: 3, background: 'red', noise: NOISE },
      })
        .toFormat(format)
        .toBuffer();
      const damage = fc.array(fc.tuple(fc.nat(image.length - 1), fc.nat(255)), {
        minLength: 1,
        maxLength: 20,
      });
      const damaged = fc.sample(fc.tuple(damage, fc.integer({ min: 1, max: image.length })), {
        numRuns: 60,
        seed: 4_226,
      });
      const outcomes = await mapInFlight(
        damaged,
        async ([changes, length]) => {
          const bytes = Buffer.from(image);
          for (const [at, value] of changes) bytes[at] = value;
          return converter.toSquares(bytes.subarray(0, length), [16]).catch((error) => error);
        },
        BURST,
      );
      for (const outcome of outcomes)
        expect(Array.isArray(outcome) ? outcome.length : outcome).toEqual(
          Array.isArray(outcome) ? 1 : expect.any(ImageRejected),
        );
      // No process died of them.
      expect(decoders()).toHaveLength(2);
    },
  );

  it('gives the processes nothing of its environment', async () => {
    await converter.toSquares(small, [16]);
    const [pid] = decoders();
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toMatch(/SECRET|PATH|HOME/);
  });

  it.each([
    ['SIGSEGV', ImageRejected],
    ['SIGKILL', Unavailable],
    ['SIGTERM', Unavailable],
  ] as const)('survives a process that ends by %s, and converts the next image', async (signal, expected) => {
    await converter.toSquares(small, [16]);
    const conversion = converter.toSquares(large, [512]);
    const outcome = expect(conversion).rejects.toThrow(expected);
    for (const pid of decoders()) process.kill(pid, signal);
    await outcome;
    expect(await converter.toSquares(small, [16])).toHaveLength(1);
  });

  it('rejects an image that is not converted within five seconds, and ends its process', async () => {
    await converter.toSquares(small, [16]);
    const stuck = decoders();
    for (const pid of stuck) process.kill(pid, 'SIGSTOP');
    await expect(converter.toSquares(small, [16])).rejects.toThrow(/takes too long/);
    for (const pid of stuck) process.kill(pid, 'SIGCONT');
    await waitFor('the end of the process', () => !decoders().some((pid) => stuck.includes(pid)));
    expect(await converter.toSquares(small, [16])).toHaveLength(1);
  }, 30_000);

  it('refuses more images than may wait', async () => {
    const outcomes = await Promise.allSettled(times(40, () => converter.toSquares(large, [16])));
    const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.every(({ reason }) => reason instanceof Unavailable)).toBe(true);
    expect(outcomes.length - refused.length).toBeGreaterThanOrEqual(30);
  });
});
