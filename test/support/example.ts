import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from './wait.js';

/** A server of an example, in a process of its own and on a free port. */
export class Example {
  output = '';

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += chunk;
      });
    }
  }

  /** Starts a module of a folder and waits until it listens. */
  static async start(folder: string, module: string, variables: Record<string, string>): Promise<Example> {
    const { PATH = '' } = process.env;
    const child = spawn(process.execPath, [module], {
      cwd: folder,
      env: { PATH, PORT: '0', ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const example = new Example(child);
    await waitFor('the example', () => example.found() !== undefined || example.hasEnded, 30_000);
    if (example.hasEnded) throw new Error(`the example ended:\n${example.output}`);
    return example;
  }

  get url(): string {
    return this.found() as string;
  }

  async stop(): Promise<void> {
    if (this.hasEnded) return;
    const exit = once(this.child, 'exit');
    this.child.kill();
    await exit;
  }

  private found(): string | undefined {
    return /listening on (http:\S+)/.exec(this.output)?.[1];
  }

  private get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}
