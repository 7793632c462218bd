import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** How the wire is: whole, cut (every connection is reset), or a black hole (bytes and connections get stuck). */
type State = 'whole' | 'cut' | 'black hole';

/** A wire to a server, for breaking: stands before the server at an address of its own. */
export class TcpProxy {
  private state: State = 'whole';
  private readonly sockets = new Set<Socket>();
  /** What connected to the black hole and has no other end yet. */
  private readonly stuck = new Set<Socket>();

  private constructor(
    private readonly target: URL,
    private readonly server: Server,
  ) {
    server.on('connection', (client) => this.accept(client));
  }

  /** @param url of the server, which names its host and port. */
  static async before(url: string): Promise<TcpProxy> {
    // What the client sends must wait until the wire has another end.
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(new URL(url), server);
  }

  /** The server's URL, by way of this proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** Resets every connection, and every new one: the server is gone. */
  cut(): void {
    this.state = 'cut';
    for (const socket of this.sockets) reset(socket);
  }

  /** Passes nothing on and tells nobody: the server hangs. */
  blackHole(): void {
    this.state = 'black hole';
    for (const socket of this.sockets) socket.pause();
  }

  /** As if nothing had been; what got stuck goes on. */
  heal(): void {
    this.state = 'whole';
    for (const client of this.stuck) this.join(client);
    this.stuck.clear();
    for (const socket of this.sockets) socket.resume();
  }

  async close(): Promise<void> {
    this.cut();
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

/** By hand, because a pipe resumes its source whenever it likes. */
function pass(from: Socket, to: Socket): void {
  from.on('data', (bytes) => to.write(bytes));
  from.on('end', () => to.end());
  from.on('close', () => to.destroy());
}

/** A socket that is ending by itself is not reset: Node 20 would spin for ever when the process exits. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
