import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import { clientAddressOf } from '#abuse';
import { Connection, type Exchange, type Handler } from './connection.js';
import type { TrustedProxies } from './trusted-proxies.js';
import { Turns } from './turns.js';

/** The largest answer, the script of Swagger UI, takes this long at 25 KB/s. */
const UNREAD_TIMEOUT_MS = 20_000;
const SWEEP_EVERY_MS = 1_000;

/** Open files beside the connections of clients: databases, providers, modules. */
const RESERVED_FILES = 200;
const WARN_EVERY_MS = 60_000;

/** The time without a request that a new connection has when the server closes. */
const FIRST_REQUEST_MS = 1_000;

export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
}

/** Of all trusted proxies together. No address looks like this. */
const PROXIES = 'proxies';

/** The open connections of a server. Limits how many there are, in total and of each client. */
export class Connections {
  private readonly logger = new Logger('Http');
  private readonly bySocket = new Map<Socket, Connection>();
  /** In the order of their arrival. The client of trusted proxies, which stand for many clients, is `PROXIES`. */
  private readonly byClient = new Map<string, Set<Socket>>();
  private readonly turns = new Turns();
  private readonly maxConnections: number;
  private readonly sweeper = setInterval(() => this.sweep(), SWEEP_EVERY_MS).unref();
  private warnedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly limits: ConnectionLimits,
    private readonly proxies: TrustedProxies,
    private readonly handler: Handler,
  ) {
    this.maxConnections = Math.max(1, Math.min(limits.maxConnections, maxOpenFiles() - RESERVED_FILES));
  }

  /** Adds a new connection. At a limit an idle connection is closed for it; if all are busy, the new one is closed. */
  accept(socket: Socket): void {
    this.turns.accepted();
    const peer = socket.remoteAddress ?? '';
    const client = this.proxies.includes(peer) ? PROXIES : clientAddressOf(peer).client;
    if (!this.hasRoomFor(client)) return void socket.destroy();
    this.bySocket.set(socket, new Connection(socket, this.handler, this.turns));
    this.byClient.set(client, (this.byClient.get(client) ?? new Set()).add(socket));
    socket.once('close', () => this.remove(socket, client));
  }

  /** Handles a request after those before it on its connection. */
  handle(...exchange: Exchange): void {
    this.bySocket.get(exchange[0].socket)?.handle(...exchange);
  }

  /** Closes the connections between two requests. New ones have a moment to send their first request. */
  closeIdle(): void {
    for (const connection of this.bySocket.values()) if (connection.isIdle) connection.close();
    const closeUnused = () => {
      for (const connection of this.bySocket.values()) if (!connection.isBusy) connection.close();
    };
    setTimeout(closeUnused, FIRST_REQUEST_MS).unref();
  }

  stop(): void {
    clearInterval(this.sweeper);
  }

  private hasRoomFor(client: string): boolean {
    const { maxConnectionsPerAddress } = this.limits;
    if (client !== PROXIES && (this.byClient.get(client)?.size ?? 0) >= maxConnectionsPerAddress) {
      this.warn(`${client} has ${maxConnectionsPerAddress} connections (MAX_CONNECTIONS_PER_ADDRESS)`);
      return this.closeIdleOf(client);
    }
    if (this.bySocket.size < this.maxConnections) return true;
    this.warn(`${this.maxConnections} connections are open (MAX_CONNECTIONS, or the limit on open files)`);
    // A proxy may be sending a request on a connection that is idle here, so its connections come last.
    return this.closeIdleOf(this.busiestClient()) || this.closeIdleOf(PROXIES);
  }

  private closeIdleOf(client: string): boolean {
    for (const socket of this.byClient.get(client) ?? []) {
      const connection = this.bySocket.get(socket);
      if (!connection?.isReplaceable) continue;
      connection.close();
      // The event comes later, and more connections may arrive before it.
      this.remove(socket, client);
      return true;
    }
    return false;
  }

  private busiestClient(): string {
    let busiest = PROXIES;
    let most = 0;
    for (const [client, { size }] of this.byClient) {
      if (client !== PROXIES && size > most) [busiest, most] = [client, size];
    }
    return busiest;
  }

  private remove(socket: Socket, client: string): void {
    this.bySocket.delete(socket);
    const sockets = this.byClient.get(client);
    sockets?.delete(socket);
    if (sockets?.size === 0) this.byClient.delete(client);
  }

  private sweep(): void {
    const now = performance.now();
    for (const connection of this.bySocket.values()) connection.closeIfUnread(now, UNREAD_TIMEOUT_MS);
  }

  private warn(what: string): void {
    const now = performance.now();
    if (now - this.warnedAt < WARN_EVERY_MS) return;
    this.warnedAt = now;
    this.logger.warn(`${what}: new connections replace idle ones or are closed`);
  }
}

/** Node raises the soft limit to the hard one at its start. Infinity: the platform does not tell. */
function maxOpenFiles(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(soft ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
