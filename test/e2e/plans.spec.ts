import type { ClientBase } from 'pg';
import { Database, DEFAULT_SCHEMA, onConnection, type Statement } from '#postgres';
import { type RunningApi, startApi } from '../support/api.js';
import { modes } from '../support/databases.js';
import { openSession } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

/** Tables that hold a few rows however many users there are. */
const SMALL = ['data_keys', 'signing_keys'];

const EVERYWHERE = ['states-read', 'states-write', 'users-known', 'refresh-rotate', 'sessions-find'];

/** Statements that the requests of this spec run, among others. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  'Postgres alone': [
    ...EVERYWHERE,
    ...['verification-open', 'verification-find-all', 'verification-attempt', 'session-approve'],
    ...['task-take', 'verification-sent'],
  ],
  'Postgres and Redis': [...EVERYWHERE, 'session-create'],
};

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
    await waitFor('the statements', async () => EXPECTED[mode.name]?.every((name) => statements.has(name)));
  });
  afterAll(() => api.stop());

  it('read no table as a whole', async () => {
    const session = { schema: DEFAULT_SCHEMA, statementTimeoutMs: 5_000 };
    expect(await onConnection(api.database.url, scansOf, session)).toEqual([]);
  });

  /** Returns the scans of whole tables and whole indexes, each with the name of its statement. */
  async function scansOf(client: ClientBase): Promise<string[]> {
    const scans: string[] = [];
    for (const [name, text] of statements) {
      const { rows } = await client.query(`explain (generic_plan, format json) ${text}`);
      const nodes = nodesOf(rows[0]['QUERY PLAN'][0].Plan);
      const whole = nodes.filter((node) => isOfWhole(node) && !SMALL.includes(node['Relation Name'] ?? ''));
      scans.push(...whole.map((node) => `${name}: ${node['Node Type']} on ${node['Relation Name']}`));
    }
    return scans;
  }
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: readonly PlanNode[];
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

function isOfWhole(node: PlanNode): boolean {
  const type = node['Node Type'];
  return type === 'Seq Scan' || (/^(Bitmap )?Index/.test(type) && node['Index Cond'] === undefined);
}
