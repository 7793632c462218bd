import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy';
import { UnsupportedMediaTypeException } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import { AppError, ImageTooLarge, InvalidRequest, Unavailable } from '#errors';

/** The largest image, in bytes. */
const LARGEST_IMAGE = 5 * 1_024 * 1_024;

/** The part of a form that holds the image. */
const PART = 'file';
const LIMITS = { fileSize: LARGEST_IMAGE, files: 1, parts: 10, fieldSize: 1_024 };

const INCOMPLETE = 'the image did not arrive completely';
const MALFORMED = 'the form is malformed, or has too many parts';
const NO_PART = 'send the image as the part `file` of the form, with a file name';

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
  // What the content type says does not matter: the image is judged by decoding.
  fastify.addContentTypeParser('*', (request, payload, done) => {
    if (request.routeOptions.config.image) done(null, payload);
    else done(new UnsupportedMediaTypeException());
  });
}

/** Reads uploaded images, a limited number at once. */
export class ImageUploads {
  private running = 0;

  /** @throws ImageTooLarge, InvalidRequest, Unavailable, UnsupportedMediaTypeException */
  async read(request: FastifyRequest, { raw: response }: FastifyReply): Promise<Buffer> {
    if (this.running >= MOST_AT_ONCE) throw new Unavailable('image uploads');
    this.running += 1;
    try {
      return await (isForm(request) ? readPart(request.raw, response) : readBody(request));
    } finally {
      this.running -= 1;
    }
  }
}

function isForm({ headers }: FastifyRequest): boolean {
  return /^multipart\/form-data/i.test(headers['content-type'] ?? '');
}

/** Reads the part `file` of a form, and leaves what follows it. */
async function readPart(raw: IncomingMessage, response: ServerResponse): Promise<Buffer> {
  // Nothing would end the wait for a body that was cut off or drained.
  if (raw.destroyed || response.writableEnded) throw new InvalidRequest(INCOMPLETE);
  const form = parserOf(raw.headers);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const refuse = (why: string) => () => reject(new InvalidRequest(why));
    form.on('file', (name, file) => {
      file.on('error', refuse(MALFORMED));
      if (name !== PART) {
        refuse(NO_PART)();
        file.resume();
        return;
      }
      file.on('data', (chunk: Buffer) => chunks.push(chunk));
      file.on('limit', () => reject(new ImageTooLarge()));
      file.on('end', () => resolve(Buffer.concat(chunks.splice(0))));
    });
    form.on('partsLimit', refuse(MALFORMED));
    form.on('error', refuse(MALFORMED));
    form.on('finish', refuse(NO_PART));
    // The parser can wait indefinitely: for a request that was cut off, and at the end of some malformed forms.
    response.once('close', refuse(INCOMPLETE));
    raw.pipe(form);
  });
}

function parserOf(headers: IncomingHttpHeaders): BusboyInstance {
  try {
    // Parts do not pause the parser, which does not always go on after a pause.
    return new Busboy({ headers: headers as BusboyHeaders, limits: LIMITS, fileHwm: LARGEST_IMAGE });
  } catch {
    throw new InvalidRequest(MALFORMED);
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
