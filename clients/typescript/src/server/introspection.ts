import type { components } from '../api.js';
import { type Identity, identityOf, type Verifier, VerifierUnavailable } from './identity.js';
import { RecentIdentities } from './recent-identities.js';

export interface IntrospectionOptions {
  /** Where the Latchkey server is reached. */
  readonly url: string;
  /** The credentials of this service in the server's `CLIENTS_FILE`, with the purpose `introspect`. */
  readonly clientId: string;
  readonly clientSecret: string;
  /**
   * Seconds for which the answer about a valid token is used again. A session that has ended is accepted for that long.
   * Default: 0, which asks for each request.
   */
  readonly cacheSeconds?: number;
  /** The longest wait for an answer. */
  readonly timeoutMs?: number;
  /** Sends the requests. Default: `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
}

/** Asks the server about each token (RFC 7662), so that a session that has ended is refused at once. */
export function introspectionVerifier(options: IntrospectionOptions): Verifier {
  const { url, clientId, clientSecret, cacheSeconds = 0, timeoutMs = 5_000 } = options;
  const fetch = options.fetch ?? globalThis.fetch;
  const address = `${url.replace(/\/$/, '')}/oauth/introspect`;
  const authorization = basic(clientId, clientSecret);

  async function ask(token: string): Promise<Identity | null> {
    const response = await fetch(address, {
      method: 'POST',
      headers: { Authorization: authorization },
      body: new URLSearchParams({ token }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) throw refusalOf(response);
    const answer = (await response.json()) as components['schemas']['Introspection'];
    return answer.active === true ? identityOf({ ...answer }) : null;
  }

  const recent = new RecentIdentities(cacheSeconds * 1_000);
  return async (token) => {
    try {
      return await recent.find(token, () => ask(token));
    } catch (cause) {
      if (cause instanceof VerifierUnavailable) throw cause;
      throw new VerifierUnavailable('the Latchkey server does not answer', null, { cause });
    }
  };
}

function refusalOf({ status, headers }: Response): VerifierUnavailable {
  const retryAfter = Number(headers.get('Retry-After') ?? Number.NaN);
  const reason = status === 401 ? ': are the client credentials right?' : '';
  const message = `the Latchkey server answers introspection with ${status}${reason}`;
  return new VerifierUnavailable(message, Number.isNaN(retryAfter) ? null : retryAfter);
}

/** Encodes credentials as RFC 6749, section 2.3.1, says: first as a form, then as Base64. */
function basic(id: string, secret: string): string {
  const encode = (text: string) => new URLSearchParams([['', text]]).toString().slice(1);
  return `Basic ${btoa(`${encode(id)}:${encode(secret)}`)}`;
}
