import { freshDatabase, type TestDatabase } from '../../../test/support/databases.js';
import { TcpProxy } from '../../../test/support/proxy.js';
import { waitFor } from '../../../test/support/wait.js';
import { Listener } from './listener.js';

describe('Listener', () => {
  let server: TestDatabase;
  let wire: TcpProxy;

  beforeAll(async () => {
    server = await freshDatabase();
    wire = await TcpProxy.before(server.url);
  });
  afterAll(async () => {
    await wire.close();
    await server.drop();
  });

  it('calls back on each notification, and again after its connection was lost', async () => {
    let calls = 0;
    const listener = new Listener(wire.url, 'notes', () => {
      calls += 1;
    });
    const notify = () => server.query(`select pg_notify('notes', '')`);
    await waitFor('the connection', () => calls === 1);
    await notify();
    await waitFor('the notification', () => calls === 2);

    wire.cut();
    wire.heal();
    await waitFor('the next connection', () => calls === 3);
    await notify();
    await waitFor('its notification', () => calls === 4);
    await listener.close();
  });
});
