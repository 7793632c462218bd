import pg from 'pg';

/**
 * Opens a pool that survives the loss of its connections. Without a listener on each client, the server ending one
 * that is about to close would fail whatever test runs at that moment.
 */
export function openPool(connectionString: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString, max });
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** Runs work on a connection of its own, whose loss fails only the statement that runs then. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
