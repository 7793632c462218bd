import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * - `cut`: resets every connection
 * - `black hole`: connections and bytes get stuck
 */
type State = 'open' | 'cut' | 'black hole';

/** A proxy in front of a server whose connections a test can break. */
export class TcpProxy {
  private state: State = 'open';
  private readonly sockets = new Set<Socket>();
  /** Connections to the black hole that have no connection to the server yet. */
  private readonly stuck = new Set<Socket>();
  private readonly stranded = new Set<Socket>();

  private constructor(
    private target: URL,
    private readonly server: Server,
  ) {
    server.on('connection', (client) => this.accept(client));
  }

  static async before(url: string): Promise<TcpProxy> {
    // The client's bytes must wait until the server is connected.
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(new URL(url), server);
  }

  /** The server's URL through this proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  get connections(): number {
    return this.sockets.size;
  }

  /** Resets every connection and every new one, as if the server were gone. */
  cut(): void {
    this.state = 'cut';
    for (const socket of this.sockets) reset(socket);
  }

  /** Stops passing bytes on, as if the server hung. */
  blackHole(): void {
    this.state = 'black hole';
    for (const socket of this.sockets) socket.pause();
  }

  /** Leads new connections to another server. */
  moveTo(url: string): void {
    this.target = new URL(url);
  }

  /** Stops passing bytes on the present connections for good, as if their host were gone. New ones work. */
  strand(): void {
    for (const socket of this.sockets) {
      socket.pause();
      this.sockets.delete(socket);
      this.stranded.add(socket);
    }
  }

  /** Ends the fault. Stuck connections continue. */
  heal(): void {
    this.state = 'open';
    for (const client of this.stuck) this.join(client);
    this.stuck.clear();
    for (const socket of this.sockets) socket.resume();
  }

  async close(): Promise<void> {
    this.cut();
    for (const socket of this.stranded) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(client: Socket): void {
    this.keep(client);
    if (this.state === 'cut') reset(client);
    else if (this.state === 'black hole') this.stuck.add(client);
    else this.join(client);
  }

  private join(client: Socket): void {
    if (client.destroyed) return;
    const server = connect({
      host: this.target.hostname,
      port: Number(this.target.port),
      allowHalfOpen: true,
    });
    this.keep(server);
    pass(client, server);
    pass(server, client);
    client.resume();
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.sockets.delete(socket);
      this.stuck.delete(socket);
    });
  }
}

/** Copies by hand, because `pipe` would resume a paused source. */
function pass(from: Socket, to: Socket): void {
  from.on('data', (bytes) => to.write(bytes));
  from.on('end', () => to.end());
  from.on('close', () => to.destroy());
}

/** Resets a socket, unless it is ending already: Node 20 would then spin forever when the process exits. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
