import pg from 'pg';
import { withVerifiedTls } from './connection.js';

const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_AFTER_MS = 1_000;

/**
 * Listens for notifications on a connection of its own, and connects again when it is lost. Notifications of the meantime
 * are lost, so a caller also looks at intervals.
 */
export class Listener {
  private client?: pg.Client;
  private reconnection?: NodeJS.Timeout;
  private isClosed = false;

  constructor(
    private readonly url: string,
    private readonly channel: string,
    private readonly onNotification: () => void,
  ) {
    this.connect();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.reconnection);
    await this.client?.end().catch(() => {}); // a lost connection is closed already
  }

  private connect(): void {
    const client = new pg.Client({
      connectionString: withVerifiedTls(this.url),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      application_name: 'latchkey queue',
    });
    this.client = client;
    client.on('notification', () => this.onNotification());
    client.on('error', () => {}); // the end follows
    client.once('end', () => this.reconnect());
    client
      .connect()
      .then(() => client.query(`set idle_session_timeout to 0`).catch(() => {})) // unknown before Postgres 14
      .then(() => client.query(`listen ${this.channel}`))
      .then(() => this.onNotification())
      .catch(() => client.end().catch(() => {}));
  }

  private reconnect(): void {
    if (this.isClosed) return;
    clearTimeout(this.reconnection);
    this.reconnection = setTimeout(() => this.connect(), RECONNECT_AFTER_MS);
  }
}
