import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from './client.js';
import { freePort } from './free-port.js';
import { waitFor } from './wait.js';

/** An nginx with one server on a free port of the loopback interface. */
export class Nginx {
  /** The error log of nginx. */
  errors = '';

  private constructor(
    readonly client: Client,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {
    child.stderr?.on('data', (chunk) => {
      this.errors += chunk;
    });
  }

  /** @param http returns the content of the block `http`, whose server listens on the address. */
  static async start(program: string, http: (address: string) => string): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-nginx-'));
    const address = `127.0.0.1:${await freePort()}`;
    const file = join(folder, 'nginx.conf');
    await writeFile(file, configuration(folder, http(address)));
    const child = spawn(program, ['-e', 'stderr', '-p', folder, '-c', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const nginx = new Nginx(new Client(`http://${address}`), child, folder);
    await waitFor('nginx', () => nginx.client.get('/').catch(() => null)).catch(async (failure) => {
      await nginx.stop();
      throw new Error(`nginx does not answer:\n${nginx.errors}`, { cause: failure });
    });
    return nginx;
  }

  async stop(): Promise<void> {
    const hasEnded = this.child.exitCode !== null || this.child.signalCode !== null;
    const exit = hasEnded ? Promise.resolve() : once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exit;
    await rm(this.folder, { recursive: true });
  }
}

/** One process in the foreground, with its files in the folder. */
function configuration(folder: string, http: string): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr;
events { worker_connections 4096; }
http {
  access_log off;
  ${folders.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  ${http}
}
`;
}
