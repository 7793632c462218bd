import { join } from 'node:path';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import workerpool, { type Pool } from 'workerpool';
import { ImageRejected, Unavailable } from '#errors';

/** Processes that decode at the same time. */
const WORKERS = 2;
const MOST_WAITING = 30;
const LIMIT_MS = 5_000;

/** A decoder needs some tens of megabytes, so idle processes end. */
const IDLE_MS = 60_000;

const MAX_PIXELS = 24_000_000;

/** The answer of a process: the images, the fault of the upload, or the reason why no image can be decoded. */
interface Result {
  readonly images?: readonly Uint8Array[];
  readonly fault?: 'unreadable' | 'too_many_pixels';
  readonly missing?: string;
}

/**
 * Converts uploaded images. Decoders are complex native code, and the images are hostile: they run in processes of their own,
 * without the environment of this one, so that a crash or an endless loop ends nothing else.
 */
@Injectable()
export class ImageConverterService implements OnApplicationShutdown {
  private readonly logger = new Logger('Images');
  private pool: Pool | null = null;
  private idle: NodeJS.Timeout | undefined;

  /**
   * Returns the image as square WebP images of these sizes, without metadata. The format is judged by decoding.
   *
   * @param sizes in pixels.
   * @throws ImageRejected if it is no JPEG, PNG, WebP, AVIF or GIF, has too many pixels, or takes too long; Unavailable
   */
  async toSquares(bytes: Buffer, sizes: readonly number[]): Promise<Buffer[]> {
    const { images, fault = 'unreadable', missing } = await this.run(bytes, sizes);
    if (missing !== undefined) {
      this.logger.error(`images cannot be decoded: ${missing}`);
      throw new Unavailable('image conversion', { cause: new Error(missing) });
    }
    if (!images) throw new ImageRejected(REASONS[fault]);
    return images.map((image) => Buffer.from(image));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.end();
  }

  private async run(bytes: Buffer, sizes: readonly number[]): Promise<Result> {
    clearTimeout(this.idle);
    this.pool ??= newPool();
    try {
      // The time begins when a process takes the image.
      return await this.pool.exec('convert', [bytes, { sizes, maxPixels: MAX_PIXELS }]).timeout(LIMIT_MS);
    } catch (error) {
      if (error instanceof workerpool.Promise.TimeoutError) throw new ImageRejected(REASONS.too_slow);
      const { message } = error as Error;
      if (/max queue size/i.test(message)) throw new Unavailable('image conversion');
      this.logger.warn(`a process that decodes images ended: ${message.replace(/\s+/g, ' ')}`);
      // The operating system or an operator ended it; other signals are the decoder's own.
      if (/SIGTERM|SIGKILL|SIGINT|SIGHUP/.test(message)) throw new Unavailable('image conversion');
      throw new ImageRejected(REASONS.unreadable);
    } finally {
      clearTimeout(this.idle);
      this.idle = setTimeout(() => this.endWhenIdle(), IDLE_MS).unref();
    }
  }

  private endWhenIdle(): void {
    const { busyWorkers = 0, pendingTasks = 0 } = this.pool?.stats() ?? {};
    if (busyWorkers + pendingTasks > 0) return;
    this.end().catch((error: Error) => this.logger.warn(`decoders did not end: ${error.message}`));
  }

  private async end(): Promise<void> {
    clearTimeout(this.idle);
    const { pool } = this;
    this.pool = null;
    await pool?.terminate(true);
  }
}

const REASONS = {
  unreadable: 'it is not a JPEG, PNG, WebP, AVIF or GIF image that can be read',
  too_many_pixels: 'it has more than 24 megapixels',
  too_slow: 'it takes too long to decode',
} as const;

function newPool(): Pool {
  return workerpool.pool(join(import.meta.dirname, 'convert.worker.mjs'), {
    workerType: 'process',
    maxWorkers: WORKERS,
    maxQueueSize: MOST_WAITING,
    // The environment holds the secrets of the server.
    forkOpts: { env: {}, serialization: 'advanced', execArgv: [] },
  });
}
