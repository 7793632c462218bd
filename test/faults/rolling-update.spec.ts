import { Agent, get } from 'node:http';
import { freshDatabase, type TestDatabase } from '../support/databases.js';
import { Nginx } from '../support/nginx.js';
import { someNumber } from '../support/phone-numbers.js';
import { ServerProcess } from '../support/server-process.js';
import { SECRET } from '../support/settings.js';
import { findProgram } from '../support/system-programs.js';
import { waitFor } from '../support/wait.js';

const program = findProgram(['nginx'], 'rolling updates behind nginx');
const maybe = program ? it : it.skip;

const portOf = ({ client }: ServerProcess) => Number(new URL(client.url).port);

describe('A rolling update', () => {
  let database: TestDatabase;
  const servers: ServerProcess[] = [];
  const start = async (PORT = '0', SHUTDOWN_DELAY = '2s') => {
    const variables = { DATABASE_URL: database.url, SECRET, SHUTDOWN_DELAY, PORT };
    const server = await ServerProcess.api(variables);
    servers.push(server);
    return server;
  };

  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.end('SIGKILL')));
    await database.drop();
  });

  maybe('behind nginx loses no request', async () => {
    const replicas = await Promise.all([start(), start()]);
    const nginx = await Nginx.start(program as string, (address) => serverOf(address, replicas.map(portOf)));
    try {
      const statuses: unknown[] = [];
      const load = setInterval(() => {
        nginx.client.post('/v1/verifications', { phone_number: someNumber() }).then(
          ({ status }) => statuses.push(status),
          (error) => statuses.push(error),
        );
      }, 40);
      for (const replica of replicas) {
        expect((await replica.end()).code).toBe(0);
        await start(String(portOf(replica)));
      }
      clearInterval(load);
      await waitFor('the answers', () => statuses.length > 100);
      const lost = statuses.filter((status) => status !== 202);
      expect({ lost, errors: nginx.errors }).toEqual({ lost: [], errors: nginx.errors });
    } finally {
      await nginx.stop();
    }
  });

  it('keeps answering new connections for SHUTDOWN_DELAY, but is not ready', async () => {
    const server = await start('0', '8s');
    const fresh = (path: string) =>
      new Promise<unknown[]>((resolve, reject) => {
        get(server.client.url + path, { agent: new Agent() }, (response) => {
          response.resume();
          resolve([response.statusCode, response.headers.connection]);
        }).on('error', reject);
      });
    expect(await fresh('/health/ready')).toEqual([200, expect.anything()]);
    const ended = server.end();
    await waitFor('the signal', async () => (await fresh('/health/ready'))[0] === 503);
    expect(await fresh('/problems')).toEqual([200, 'close']);
    expect((await server.client.post('/signup', { phone_number: someNumber() })).status).toBe(200);
    expect((await ended).code).toBe(0);
  });
});

/**
 * Keeps connections open. With `max_fails=0` each request that a replica refuses goes to the next one at once. Otherwise nginx
 * would not use the replica for `fail_timeout`, in whole seconds, and find none at all when the other one stops meanwhile.
 * A connection can arrive in the moment in which a replica stops listening; nginx repeats a POST on it only with
 * `non_idempotent`.
 */
function serverOf(address: string, replicas: number[]): string {
  const servers = replicas.map((replica) => `server 127.0.0.1:${replica} max_fails=0;`).join(' ');
  return `
  upstream latchkey { ${servers} keepalive 8; }
  server {
    listen ${address};
    location / { proxy_pass http://latchkey; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_next_upstream error timeout non_idempotent; }
  }`;
}
