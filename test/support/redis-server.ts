import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { freePort } from './free-port.js';

/** A Redis of its own on a free port of the loopback interface, without persistence. */
export class RedisServer {
  private constructor(
    /** The URL of the default user. */
    readonly url: string,
    private readonly child: ChildProcessByStdio<null, Readable, null>,
    /** Replication writes files, also without persistence. */
    private readonly folder: string,
  ) {}

  /** @param settings directives of redis.conf. */
  static async start(program: string, settings: Record<string, string | number> = {}): Promise<RedisServer> {
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-redis-'));
    const all = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: folder, ...settings };
    const options = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const child = spawn(program, options, { stdio: ['ignore', 'pipe', 'inherit'] });
    await untilReady(child);
    const credentials = settings.requirepass ? `:${settings.requirepass}@` : '';
    return new RedisServer(`redis://${credentials}127.0.0.1:${port}`, child, folder);
  }

  async stop(): Promise<void> {
    const hasEnded = this.child.exitCode !== null || this.child.signalCode !== null;
    const exit = hasEnded ? Promise.resolve() : once(this.child, 'exit');
    this.child.kill();
    await exit;
    await rm(this.folder, { recursive: true, force: true });
  }
}

function untilReady(server: ChildProcessByStdio<null, Readable, null>): Promise<void> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    createInterface({ input: server.stdout }).on('line', (line) => {
      lines.push(line);
      if (line.includes('Ready to accept connections')) resolve();
    });
    server.once('close', () => reject(new Error(`Redis did not start. Its output:\n${lines.join('\n')}`)));
  });
}
