import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { Client } from './client.js';
import { GENEROUS } from './settings.js';
import { waitFor } from './wait.js';

/** The built programs. Also where they run: a file `.env` in the project folder would change what is tested. */
export const BUNDLE = resolve(import.meta.dirname, '../../dist/bundle');

type Program = 'api' | 'worker' | 'cli';

/** The output and exit code of a process. */
export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** A built program that runs in a process of its own, on a free port. */
export class ServerProcess {
  output = '';
  private readonly exit: Promise<unknown>;

  private constructor(private readonly child: ChildProcess) {
    this.exit = once(child, 'exit');
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += chunk;
      });
    }
  }

  static spawn(
    program: Program,
    variables: Record<string, string>,
    args: string[] = [],
    cwd = BUNDLE,
  ): ServerProcess {
    const { PATH = '' } = process.env;
    const child = spawn(process.execPath, [resolve(BUNDLE, `${program}.js`), ...args], {
      cwd,
      env: { PATH, PORT: '0', LOG_LEVEL: 'info', ...GENEROUS, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new ServerProcess(child);
  }

  /** Starts an API and waits until it answers. Throws with its output when it does not. */
  static async api(variables: Record<string, string>): Promise<ServerProcess> {
    const server = ServerProcess.spawn('api', variables);
    try {
      await waitFor('the API', () => /Latchkey is up/.test(server.output) || server.hasEnded, 30_000);
      if (server.hasEnded) throw new Error('the process ended');
      return server;
    } catch (error) {
      await server.end('SIGKILL');
      throw new Error(`the API did not start:\n${server.output}`, { cause: error });
    }
  }

  get client(): Client {
    return new Client(/"url":"([^"]+)"[^\n]*Latchkey is up/.exec(this.output)?.[1] as string);
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.child.kill(signal);
    return this.ended();
  }

  async ended(): Promise<Ended> {
    if (!this.hasEnded) await this.exit;
    return { code: this.child.exitCode, output: this.output };
  }
}
