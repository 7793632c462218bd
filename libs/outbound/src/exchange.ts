import http, { type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { isForbiddenAddress } from './filtered-agent.js';

/** A request, as it goes over the wire. */
export interface Question {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A whole answer, of any status. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The body, or the beginning of one that is longer than the limit. */
  readonly text: string;
}

/** The reason of an exchange with an address that its agent does not connect to. */
export const PRIVATE_ADDRESS = 'private_address';

/** The exchange brought no whole answer. It names neither the address nor the request, as Node's errors do. */
export class ExchangeFailed extends Error {
  /**
   * @param reason `timeout`, `PRIVATE_ADDRESS` or the code of Node's error.
   * @param reached true when a connection was established: the server may have read the request.
   */
  constructor(
    readonly reason: string,
    readonly reached: boolean,
  ) {
    super(`no answer (${reason})`);
  }
}

/** Bounds of an exchange. The time runs from the wait for a connection to the last byte of the answer. */
export interface ExchangeLimits {
  readonly timeMs: number;
  readonly answerBytes: number;
}

/** Sockets whose connection is established. A kept connection announces that to its first request only. */
const CONNECTED = new WeakSet<Socket>();

/**
 * Sends one request over a connection of the agent, without retries and redirects. The server may close a kept connection
 * while the request is written, and the client cannot tell whether the server read it: the caller decides.
 *
 * @throws ExchangeFailed
 */
export function exchange(question: Question, agent: Agent, limits: ExchangeLimits): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const isSecure = question.url.startsWith('https:');
    const request = startRequest(question, isSecure ? https : http, agent);
    const reached = watchConnection(request, isSecure);
    const fail = (reason: string) => {
      clearTimeout(timer);
      reject(new ExchangeFailed(reason, reached()));
    };
    const timer = setTimeout(() => {
      // First, because a request that still waits for a connection emits nothing when it is destroyed.
      fail('timeout');
      request.destroy();
    }, limits.timeMs);
    const failWith = (error: NodeJS.ErrnoException) => fail(reasonOf(error));
    request.on('error', failWith);
    request.on('response', (response) => {
      response.on('error', failWith);
      readText(response, limits.answerBytes, (text) => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    request.end(question.body);
  });
}

/** Node throws for a URL that it cannot read. */
function startRequest(
  { method, url, headers }: Question,
  protocol: typeof http | typeof https,
  agent: Agent,
): ClientRequest {
  try {
    return protocol.request(url, { method, headers, agent });
  } catch (error) {
    throw new ExchangeFailed(reasonOf(error as Error), false);
  }
}

function reasonOf(error: NodeJS.ErrnoException): string {
  return isForbiddenAddress(error) ? PRIVATE_ADDRESS : (error.code ?? 'network');
}

/** Returns a function that tells whether the request has got an established connection. */
function watchConnection(request: ClientRequest, isSecure: boolean): () => boolean {
  let reached = false;
  request.once('socket', (socket) => {
    reached = CONNECTED.has(socket);
    if (reached) return;
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      CONNECTED.add(socket);
      reached = true;
    });
  });
  return () => reached;
}

/** Reads the body up to the limit, and ends the connection of a longer one. */
function readText(response: IncomingMessage, maxBytes: number, done: (text: string) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes <= maxBytes) return;
    done(Buffer.concat(chunks).toString('utf8', 0, maxBytes));
    response.destroy();
  });
  response.on('end', () => done(Buffer.concat(chunks).toString()));
}
