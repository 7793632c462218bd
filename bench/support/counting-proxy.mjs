import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A proxy in front of a server that shows the bytes of each connection to a counter, in order. */
export class CountingProxy {
  #sockets = new Set();

  constructor(url, counter, server) {
    this.url = url;
    this.counter = counter;
    this.server = server;
  }

  /** @param counter `open()` returns `{ fromClient(bytes), fromServer(bytes) }` for a new connection. */
  static async before(target, counter) {
    const { hostname, port } = new URL(target);
    const server = createServer({ noDelay: true });
    const url = new URL(target);
    const proxy = new CountingProxy(url, counter, server);
    server.on('connection', (client) => proxy.#join(client, connect({ host: hostname, port, noDelay: true })));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url.hostname = '127.0.0.1';
    url.port = String(server.address().port);
    return proxy;
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.server.close(closed));
  }

  #join(client, target) {
    const watcher = this.counter.open();
    client.on('data', (bytes) => {
      watcher.fromClient(bytes);
      target.write(bytes);
    });
    target.on('data', (bytes) => {
      watcher.fromServer(bytes);
      client.write(bytes);
    });
    for (const [socket, other] of [[client, target], [target, client]]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
