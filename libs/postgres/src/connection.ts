import pg from 'pg';
import { type SessionOptions, sessionSetup } from './session.js';

const CONNECT_TIMEOUT_MS = 5_000;

/** A statement of a migration may take longer; one outside a migration must not. */
const STATEMENT_TIMEOUT_MS = 5_000;

/** Verified TLS under the names that version 8 of the driver treats alike, warns about, and version 9 weakens. */
const VERIFIED = ['prefer', 'require', 'verify-ca'];

/** Returns the URL with `sslmode=verify-full` for every mode that the driver treats as that one. */
export function withVerifiedTls(url: string): string {
  const parsed = new URL(url);
  const { searchParams } = parsed;
  if (!VERIFIED.includes(searchParams.get('sslmode') ?? '') || searchParams.has('uselibpqcompat')) return url;
  searchParams.set('sslmode', 'verify-full');
  return parsed.href;
}

/** Returns the database and the server of a URL for people, without the user and the password. */
export function nameDatabase(url: string): string {
  const plain = new URL(url);
  // The driver would read the files of certificates.
  for (const name of [...plain.searchParams.keys()]) if (name !== 'host') plain.searchParams.delete(name);
  const { database, host, port } = new pg.Client(plain.href);
  return `${database} on ${host}:${port}`;
}

/** Runs work on a connection of its own. Without `session` the connection keeps the settings of its role. */
export async function onConnection<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
  session?: SessionOptions,
): Promise<T> {
  const client = new pg.Client({
    connectionString: withVerifiedTls(url),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: session?.statementTimeoutMs === 0 ? undefined : STATEMENT_TIMEOUT_MS,
    application_name: 'latchkey',
  });
  client.on('error', () => {}); // the statement that runs then fails with the same error
  await client.connect();
  try {
    if (session) await sessionSetup(session)(client);
    return await work(client);
  } finally {
    await client.end();
  }
}
