import { freshDatabase, freshRedis, type Mode, type TestDatabase } from './databases.js';
import { FakeTwilio } from './fake-twilio.js';
import { ServerProcess } from './server-process.js';
import { SECRET, throughTwilio } from './settings.js';

/** The public address of the servers. Nothing listens there: the fake Twilio sends its reports to a server. */
export const PUBLIC_URL = 'https://login.example.com';

/** Server processes that share one database, and the fake Twilio that they send through. */
export class Deployment {
  private readonly processes: ServerProcess[] = [];

  private constructor(
    readonly twilio: FakeTwilio,
    private readonly database: TestDatabase,
    private readonly variables: Record<string, string>,
  ) {}

  static async open(mode: Mode): Promise<Deployment> {
    const twilio = await FakeTwilio.start();
    const database = await freshDatabase();
    return new Deployment(twilio, database, {
      ...throughTwilio(twilio),
      DATABASE_URL: database.url,
      SECRET,
      ...(mode.redis && { REDIS_URL: await freshRedis() }),
    });
  }

  /** The URL of the store that holds the verifications. */
  get storeUrl(): string {
    return (this.variables.REDIS_URL ?? this.variables.DATABASE_URL) as string;
  }

  /** Starts another API. */
  async start(more: Record<string, string> = {}): Promise<ServerProcess> {
    const server = await ServerProcess.api({ ...this.variables, ...more });
    this.processes.push(server);
    return server;
  }

  /** Starts an API that receives delivery reports. */
  async startWithReports(more: Record<string, string> = {}): Promise<ServerProcess> {
    const server = await this.start({ PUBLIC_URL, ...more });
    this.twilio.sendReportsTo(server.client.url);
    return server;
  }

  startWorker(more: Record<string, string> = {}): ServerProcess {
    const worker = ServerProcess.spawn('worker', { ...this.variables, ...more });
    this.processes.push(worker);
    return worker;
  }

  async close(): Promise<void> {
    await Promise.all(this.processes.map((server) => server.end('SIGKILL')));
    await this.twilio.stop();
    await this.database.drop();
  }
}
