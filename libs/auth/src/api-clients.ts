import { hash, timingSafeEqual } from 'node:crypto';
import type { Rate } from '#config';
import { InvalidClient } from '#errors';

/**
 * The uses that a client may make of the API. `introspect`: ask about tokens and end their sessions. `sign_in`: request and check
 * codes for its users. `verify`: verify numbers without accounts.
 */
export const CLIENT_PURPOSES = ['introspect', 'sign_in', 'verify'] as const;
export type ClientPurpose = (typeof CLIENT_PURPOSES)[number];

/** The purposes for which clients request and check codes. */
const CODE_PURPOSES: readonly ClientPurpose[] = ['sign_in', 'verify'];

/** The rate limits of a client. */
export interface ApiClientLimits {
  /** Introspections, for each process. */
  readonly introspect: Rate;
  /** Messages that it requests without the address of its user. */
  readonly sends: Rate;
  /** Checks that it makes without the address of its user. */
  readonly checks: Rate;
}

/** Another service, with credentials of its own. */
export interface ApiClient {
  readonly id: string;
  readonly name: string;
  readonly purposes: readonly ClientPurpose[];
  readonly limits: ApiClientLimits;
}

/** A client as configured. A plain hash is enough for a random secret, which cannot be guessed. */
export interface ConfiguredClient extends ApiClient {
  readonly secretHash: Buffer;
}

/** The clients of `CLIENTS_FILE`. */
export class ApiClients {
  private readonly byId: ReadonlyMap<string, ConfiguredClient>;
  /** The clients of each secret. A secret of several clients belongs to none without an id. */
  private readonly bySecret = new Map<string, ConfiguredClient[]>();

  constructor(private readonly clients: readonly ConfiguredClient[]) {
    this.byId = new Map(clients.map((client) => [client.id, client]));
    for (const client of clients) {
      const hash = client.secretHash.toString('hex');
      this.bySecret.set(hash, [...(this.bySecret.get(hash) ?? []), client]);
    }
  }

  /** Returns the client whose credentials these are; null if they are wrong. Compares in constant time. */
  find(id: string, secret: string): ApiClient | null {
    const client = this.byId.get(id);
    const given = hashOf(secret);
    const isRight = timingSafeEqual(client?.secretHash ?? Buffer.alloc(given.length), given);
    return client && isRight ? client : null;
  }

  /** Returns the client of a secret alone; null if there is none. The time that it takes depends on the hash only. */
  findBySecret(secret: string): ApiClient | null {
    const [client, ...others] = this.bySecret.get(hashOf(secret).toString('hex')) ?? [];
    return client && others.length === 0 ? client : null;
  }

  /** True if clients can request codes: otherwise routes for everyone ignore their credentials. */
  get requestCodes(): boolean {
    return this.clients.some(mayRequestCodes);
  }

  /** Returns the limits that replace those of addresses. */
  get limits(): readonly (Pick<ApiClientLimits, 'sends' | 'checks'> & { readonly id: string })[] {
    return this.clients.map(({ id, limits: { sends, checks } }) => ({ id, sends, checks }));
  }
}

/** Returns true if the client may request and check codes for some purpose. */
export function mayRequestCodes({ purposes }: Pick<ApiClient, 'purposes'>): boolean {
  return CODE_PURPOSES.some((purpose) => purposes.includes(purpose));
}

/**
 * Refuses a client that has not the purpose. A request without a client is not refused.
 *
 * @throws InvalidClient
 */
export function requirePurpose(client: ApiClient | null, purpose: ClientPurpose): void {
  if (client !== null && !client.purposes.includes(purpose))
    throw new InvalidClient(`the client does not have the purpose ${purpose}`);
}

function hashOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}
