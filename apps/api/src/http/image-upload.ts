import { Readable } from 'node:stream';
import fastifyMultipart from '@fastify/multipart';
import { UnsupportedMediaTypeException } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyRequest, RawServerDefault } from 'fastify';
import { AppError, ImageTooLarge, InvalidRequest, Unavailable } from '#errors';

/** The largest image, in bytes. */
const LARGEST_IMAGE = 5 * 1_024 * 1_024;

/** The part of a form that holds the image. */
const PART = 'file';
const MOST_PARTS = 10;

const INCOMPLETE = 'the image did not arrive completely';

/** Uploads that a process holds in memory at the same time. */
const MOST_AT_ONCE = 32;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True if the body of the route is an image. */
    image?: boolean;
  }
}

/**
 * Accepts an image as the body of the route, or as the part `file` of a form (multipart/form-data, RFC 7578). The handler reads
 * it by `ImageUploads`: the body of a request that a guard refuses is not read into memory.
 */
export const AcceptsImage = () => RouteConfig({ image: true });

/** Call after the other content types are added. */
export function acceptImages(fastify: FastifyInstance<RawServerDefault>): void {
  fastify.register(fastifyMultipart, {
    limits: { fileSize: LARGEST_IMAGE, files: 1, parts: MOST_PARTS, fieldSize: 1_024 },
  });
  // What the content type says does not matter: the image is judged by decoding.
  fastify.addContentTypeParser('*', (request, payload, done) => {
    if (request.routeOptions.config.image) done(null, payload);
    else done(new UnsupportedMediaTypeException());
  });
}

/** Refuses a form on a route that takes no image. For a hook that runs for every request: a hook of its own would cost more. */
export function refuseForms({ headers, routeOptions }: FastifyRequest): void {
  const type = headers['content-type'];
  if (type === undefined || routeOptions.config.image) return;
  if (type.trim().toLowerCase().startsWith('multipart/')) throw new UnsupportedMediaTypeException();
}

/** Reads uploaded images, a limited number at once. */
export class ImageUploads {
  private running = 0;

  /** @throws ImageTooLarge, InvalidRequest, Unavailable, UnsupportedMediaTypeException */
  async read(request: FastifyRequest): Promise<Buffer> {
    if (this.running >= MOST_AT_ONCE) throw new Unavailable('image uploads');
    this.running += 1;
    try {
      return await (request.isMultipart() ? readPart(request) : readBody(request));
    } finally {
      this.running -= 1;
    }
  }
}

async function readPart(request: FastifyRequest): Promise<Buffer> {
  // The parser waits indefinitely for a stream that has ended before.
  if (request.raw.destroyed) throw new InvalidRequest(INCOMPLETE);
  try {
    const part = await request.file();
    if (part?.fieldname !== PART)
      throw new InvalidRequest('send the image as the part `file` of the form, with a file name');
    return await part.toBuffer();
  } catch (error) {
    if (error instanceof AppError) throw error;
    if ((error as FastifyError).code === 'FST_REQ_FILE_TOO_LARGE') throw new ImageTooLarge();
    throw new InvalidRequest('the form is malformed, or has too many parts');
  }
}

async function readBody({ body, headers }: FastifyRequest): Promise<Buffer> {
  // JSON and forms are read before.
  if (!(body instanceof Readable)) throw new UnsupportedMediaTypeException();
  if (Number(headers['content-length'] ?? 0) > LARGEST_IMAGE) throw new ImageTooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // Destroying the stream would end the connection without an answer.
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > LARGEST_IMAGE) throw new ImageTooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof AppError ? error : new InvalidRequest(INCOMPLETE);
  }
  return Buffer.concat(chunks);
}
