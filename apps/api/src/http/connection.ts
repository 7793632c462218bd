import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Turns } from './turns.js';

export type Exchange = readonly [request: IncomingMessage, response: ServerResponse];

/** Handles one request, as Fastify does. */
export type Handler = (...exchange: Exchange) => void;

/** Answered at once: a supervisor kills a process that is slow to answer. */
const LIVENESS = '/health/live';

/** The parser gets no more at once, so at most 28 of the shortest requests wait on a connection. */
const SLICE_BYTES = 512;

/**
 * A client's connection. Its requests are handled one after another: the next one starts when the operating system has
 * taken the last answer, and until then nothing more is read. Node would start all pipelined requests at once, and keep
 * their answers in memory for a client that does not read them.
 */
export class Connection {
  private readonly toParser: (bytes: Buffer) => void;
  private readonly waiting: Exchange[] = [];
  private current: Exchange | null = null;
  /** When `closeIfUnread` first saw the current answer begun. */
  private begunAt: number | null = null;
  private isYielding = false;
  private hasAnswered = false;

  /** Call in the event `connection`, when Node has prepared the socket. */
  constructor(
    private readonly socket: Socket,
    private readonly handler: Handler,
    private readonly turns: Turns,
  ) {
    const [toParser] = socket.listeners('data') as [(bytes: Buffer) => void];
    this.toParser = toParser;
    socket.off('data', toParser);
    // Node emits `resume` when a request can take more of its body.
    for (const event of ['readable', 'drain', 'resume']) socket.on(event, () => this.read());
    socket.once('close', () => {
      this.waiting.length = 0;
    });
  }

  /** True while a request is being handled or its answer is being sent. */
  get isBusy(): boolean {
    return this.current !== null;
  }

  /**
   * True unless the server works on a request. A client that has sent a part of one, its headers only or a part of its
   * body, may never send the rest.
   */
  get isReplaceable(): boolean {
    return this.current === null || !this.current[0].complete;
  }

  /** True between two requests. False before the first one, which may be on its way. */
  get isIdle(): boolean {
    return this.hasAnswered && !this.isBusy && !this.isYielding && this.socket.readableLength === 0;
  }

  /** Handles the request after those before it. */
  handle(...exchange: Exchange): void {
    if (this.current === null) this.start(exchange);
    else this.waiting.push(exchange);
  }

  /** Closes the connection if its client has not taken the current answer within the time. */
  closeIfUnread(now: number, timeoutMs: number): void {
    if (!this.current?.[1].headersSent) return;
    this.begunAt ??= now;
    if (now - this.begunAt >= timeoutMs) this.close();
  }

  close(): void {
    this.socket.destroy();
  }

  private start(exchange: Exchange): void {
    const [request, response] = exchange;
    this.current = exchange;
    response.once('finish', () => this.finish());
    const start = () => {
      if (!this.socket.destroyed) this.handler(request, response);
    };
    if (request.url === LIVENESS) start();
    else this.turns.run(start);
  }

  private finish(): void {
    const [request] = this.current ?? [];
    // The handler may have read a part of the body. Nothing reads the rest, which would fill the memory.
    if (request && !request.complete) request.unpipe().resume();
    this.current = null;
    this.begunAt = null;
    this.hasAnswered = true;
    if (this.waiting.length === 0 && this.socket.readableLength === 0) return;
    // A client with pipelined requests must not delay other clients.
    this.isYielding = true;
    this.turns.later(() => this.continue());
  }

  private continue(): void {
    this.isYielding = false;
    const next = this.waiting.shift();
    // After the answer to a malformed request the connection only ends.
    if (next && this.socket.writable) this.start(next);
    this.read();
  }

  /** Passes bytes to the parser, which calls `handle`. */
  private read(): void {
    while (this.mayRead()) {
      const { readableLength } = this.socket;
      const bytes: Buffer | null = this.socket.read(Math.min(readableLength, SLICE_BYTES) || undefined);
      if (bytes === null) return;
      this.toParser(bytes);
    }
  }

  private mayRead(): boolean {
    if (this.isYielding || this.waiting.length > 0) return false;
    if (this.socket.writableNeedDrain || this.socket.destroyed) return false;
    const [request] = this.current ?? [];
    return !request || request.readableLength < request.readableHighWaterMark;
  }
}
