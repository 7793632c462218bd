import type { ClientBase } from 'pg';
import { Database, DEFAULT_SCHEMA, onConnection, type Statement } from '#postgres';
import { type RunningApi, startApi } from '../support/api.js';
import { modes } from '../support/databases.js';
import { openSession } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

/** Tables that hold a few rows however many users there are. */
const SMALL = ['data_keys', 'signing_keys'];

// A connection keeps the plan of a statement, so the plan of a small table is used when the table has grown.
describe.each(modes)('the plans of statements on $name, while their tables are small', (mode) => {
  let api: RunningApi;
  const statements = new Map<string, string>();

  beforeAll(async () => {
    api = await startApi(mode);
    const database = api.nest.get(Database, { strict: false });
    for (const run of ['run', 'runIdempotent'] as const) {
      const original = database[run].bind(database);
      jest.spyOn(database, run).mockImplementation(async (statement: Statement, values: unknown[] = []) => {
        statements.set(statement.name, statement.text);
        return original(statement, values);
      });
    }
    const { token, refresh_token } = await openSession(api);
    await api.client.as(token).get('/v1/me');
    await api.client.post('/v1/session/refresh', { refresh_token });
    await waitFor('the delivery', async () => statements.has('states-write'));
  });
  afterAll(() => api.stop());

  it('read no table as a whole', async () => {
    const session = { schema: DEFAULT_SCHEMA, statementTimeoutMs: 5_000 };
    const scans = await onConnection(api.database.url, (client) => scansOf(client), session);
    expect([...statements.keys()]).toEqual(expect.arrayContaining(['states-read', 'sessions-find']));
    expect(scans).toEqual([]);
  });

  /** Returns the tables that a statement reads as a whole, with the name of the statement. */
  async function scansOf(client: ClientBase): Promise<string[]> {
    const scans: string[] = [];
    for (const [name, text] of statements) {
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain (generic_plan) ${text}`);
      for (const row of rows) {
        const [, table] = /Seq Scan on (\w+)/.exec(row['QUERY PLAN']) ?? [];
        if (table && !SMALL.includes(table)) scans.push(`${name}: ${table}`);
      }
    }
    return scans;
  }
});
