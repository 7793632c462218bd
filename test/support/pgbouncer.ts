import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { withClient } from './postgres.js';
import { waitFor } from './wait.js';

/** PgBouncer refuses to run as root. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/** A PgBouncer in front of one database. */
export class PgBouncer {
  private constructor(
    /** The database's URL through the pooler. */
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {}

  static async before(
    program: string,
    database: string,
    settings: Record<string, string>,
  ): Promise<PgBouncer> {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-pgbouncer-'));
    await chmod(folder, 0o755);
    const url = new URL(database);
    const file = join(folder, 'pgbouncer.ini');
    const port = await freePort();
    await writeFile(file, configuration(url, { listen_port: String(port), ...settings }), { mode: 0o644 });
    const child = spawn(program, ['-q', file], { ...NOBODY, stdio: 'ignore' });
    url.port = String(port);
    await waitFor('PgBouncer', () => withClient(url.href, async () => true).catch(() => false));
    return new PgBouncer(url.href, child, folder);
  }

  async stop(): Promise<void> {
    const exit = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exit;
    await rm(this.folder, { recursive: true });
  }
}

function configuration(
  { hostname, port, username, password }: URL,
  settings: Record<string, string>,
): string {
  const target = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`;
  const all = { listen_addr: '127.0.0.1', unix_socket_dir: '', auth_type: 'any', ...settings };
  const lines = Object.entries(all).map(([name, value]) => `${name}=${value}`);
  return ['[databases]', `* = ${target}`, '[pgbouncer]', ...lines, ''].join('\n');
}
