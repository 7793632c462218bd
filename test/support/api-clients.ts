import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Base64 has characters that OAuth encodes (RFC 6749, section 2.3.1). */
export const SECRET_TO_ENCODE = `${randomBytes(31).toString('base64')}+/`;

/** The credentials of a client of the API. */
export interface TestClient {
  readonly id: string;
  readonly secret: string;
  /** The header `Authorization` with them. */
  readonly basic: { readonly authorization: string };
}

/** A file with clients, for `CLIENTS_FILE`. */
export class ClientsFile {
  private readonly folder = mkdtempSync(join(tmpdir(), 'latchkey-clients-'));
  readonly path = join(this.folder, 'clients.json');
  private readonly entries: object[] = [];

  /** Adds a client. Call it before the server starts. */
  add(
    id: string,
    purposes: string[],
    limits: object = {},
    secret = `sk_${randomBytes(32).toString('base64url')}`,
  ): TestClient {
    const secret_sha256 = createHash('sha256').update(secret).digest('hex');
    this.entries.push({ id, name: id, secret_sha256, purposes, limits });
    writeFileSync(this.path, JSON.stringify({ clients: this.entries }));
    return { id, secret, basic: basicOf(id, secret) };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

export function basicOf(id: string, secret: string): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` };
}
