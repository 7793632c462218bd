import { freshDatabase, freshRedis, type Mode, type TestDatabase } from './databases.js';
import { FakeTwilio } from './fake-twilio.js';
import { ServerProcess, throughTwilio } from './server-process.js';

/** Our programs on stores of their own, and the provider that they send through. */
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
      SECRET: 'a secret for tests that is long enough',
      ...(mode.redis && { REDIS_URL: await freshRedis() }),
    });
  }

  /** Where the verifications are. */
  get storeUrl(): string {
    return (this.variables.REDIS_URL ?? this.variables.DATABASE_URL) as string;
  }

  /** One more API. */
  async start(more: Record<string, string> = {}): Promise<ServerProcess> {
    const server = await ServerProcess.api({ ...this.variables, ...more });
    this.processes.push(server);
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
