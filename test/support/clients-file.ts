import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file for `CLIENTS_FILE` with one client, whose secret is known. */
export interface ClientsFile {
  readonly file: string;
  readonly id: string;
  readonly secret: string;
  remove(): Promise<void>;
}

/** Base64 has characters that OAuth encodes (RFC 6749, section 2.3.1). */
export async function writeClientsFile(limits: object = {}): Promise<ClientsFile> {
  const secret = `${randomBytes(31).toString('base64')}+/`;
  const secret_sha256 = createHash('sha256').update(secret).digest('hex');
  const id = 'shop';
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-clients-'));
  const file = join(folder, 'clients.json');
  const clients = [{ id, name: 'The shop', purposes: ['introspect'], secret_sha256, limits }];
  await writeFile(file, JSON.stringify({ clients }));
  return { file, id, secret, remove: () => rm(folder, { recursive: true }) };
}
