import { hash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Text that is served from memory. A file that is read for each request would hold a descriptor until the client has it. */
interface MemoryFile {
  readonly whole: Buffer;
  readonly zipped: Buffer;
  readonly entityTag: string;
}

const zip = promisify(gzip);

/** Serves the content at the path. `read` is called once, at the first request. */
export function serveFromMemory(
  fastify: FastifyInstance,
  path: string,
  type: string,
  read: () => Buffer | string | Promise<Buffer>,
): void {
  let file: Promise<MemoryFile> | null = null;
  fastify.get(path, async (request, reply) => {
    file ??= load(read);
    return answer(await file, type, request, reply);
  });
}

async function load(read: () => Buffer | string | Promise<Buffer>): Promise<MemoryFile> {
  const whole = Buffer.from(await read());
  const digest = hash('sha256', whole, 'base64url').slice(0, 22);
  // A weak tag, because both encodings have it (RFC 9110, section 8.8.1).
  return { whole, zipped: await zip(whole), entityTag: `W/"${digest}"` };
}

function answer(file: MemoryFile, type: string, { headers }: FastifyRequest, reply: FastifyReply) {
  reply.header('etag', file.entityTag).type(type);
  if (headers['if-none-match']?.includes(file.entityTag)) return reply.code(304).send();
  if (!/\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(headers['accept-encoding'] ?? ''))
    return reply.send(file.whole);
  return reply
    .headers({ 'content-encoding': 'gzip', vary: 'Authorization, Accept-Encoding' })
    .send(file.zipped);
}
