import { createHash, timingSafeEqual } from 'node:crypto';
import type { Rate } from '#config';

/** The uses that a client may make of the API. */
export const CLIENT_PURPOSES = ['introspect'] as const;
export type ClientPurpose = (typeof CLIENT_PURPOSES)[number];

/** Another service, with credentials of its own. */
export interface ApiClient {
  readonly id: string;
  readonly name: string;
  readonly purposes: readonly ClientPurpose[];
  /** The rate limits of this client, for each process. */
  readonly limits: Readonly<Record<ClientPurpose, Rate>>;
}

/** A client as configured. A plain hash is enough for a random secret, which cannot be guessed. */
export interface ConfiguredClient extends ApiClient {
  readonly secretHash: Buffer;
}

/** The clients of `CLIENTS_FILE`. */
export class ApiClients {
  private readonly clients: ReadonlyMap<string, ConfiguredClient>;

  constructor(clients: readonly ConfiguredClient[]) {
    this.clients = new Map(clients.map((client) => [client.id, client]));
  }

  /** Returns the client whose credentials these are; null if they are wrong. Compares in constant time. */
  find(id: string, secret: string): ApiClient | null {
    const client = this.clients.get(id);
    const given = createHash('sha256').update(secret).digest();
    const isRight = timingSafeEqual(client?.secretHash ?? Buffer.alloc(given.length), given);
    return client && isRight ? client : null;
  }
}
