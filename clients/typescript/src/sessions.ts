import { pause } from './answers.js';
import type { components } from './api.js';
import type { Exclusive } from './exclusive.js';
import { LatchkeyError } from './latchkey-error.js';
import type { LatchkeyStorage } from './storage.js';

type NewSession = components['schemas']['Session'];
type RefreshedSession = components['schemas']['RefreshedSession'];

/** A session as it is stored. */
export interface StoredSession extends RefreshedSession {
  /** When it was received, in milliseconds since 1970, by the clock of this device. */
  readonly received_at: number;
}

/** A token is exchanged this long before it expires, or after nine tenths of a short life. */
const MARGIN_MS = 60_000;
const MARGIN_SHARE = 0.1;

/** Browsers do not order the storage of an origin with its locks. Measured: a few milliseconds. */
const SETTLE_MS = 1_000;
const SETTLE_STEP_MS = 10;

/** The session of this device: at most one, which all tabs share if the storage does. */
export class Sessions {
  private readonly sessionKey: string;
  private readonly deviceKey: string;
  /** The refreshes that run, by the token that they replace. */
  private readonly running = new Map<string, Promise<StoredSession | null>>();

  constructor(
    name: string,
    private readonly storage: LatchkeyStorage,
    private readonly exclusive: Exclusive,
    /** Exchanges a refresh token at the server. */
    private readonly exchange: (refreshToken: string) => Promise<RefreshedSession>,
  ) {
    this.sessionKey = `${name} session`;
    this.deviceKey = `${name} device`;
  }

  async read(): Promise<StoredSession | null> {
    return parse(await this.storage.get(this.sessionKey));
  }

  /** Returns the token of the last sign-in on this device, also after its session has ended. */
  async deviceToken(): Promise<string | null> {
    return this.storage.get(this.deviceKey);
  }

  begin({ device_token, ...session }: NewSession): Promise<StoredSession> {
    return this.exclusive(async () => {
      await this.storage.set(this.deviceKey, device_token);
      return this.write(session);
    });
  }

  /** Returns the session with a token that is still valid for a while, or null without a session. */
  async usable(): Promise<StoredSession | null> {
    const session = await this.read();
    return session && isStale(session, Date.now()) ? this.refresh(session) : session;
  }

  /**
   * Exchanges the tokens, unless another tab or call did so since `stale` was read. Returns null if the session has ended.
   */
  refresh({ token }: StoredSession): Promise<StoredSession | null> {
    const running =
      this.running.get(token) ?? this.refreshOnce(token).finally(() => this.running.delete(token));
    this.running.set(token, running);
    return running;
  }

  /** @param revoke ends the session of a token at the server. Returns false if the token is not valid. */
  end(revoke: (token: string) => Promise<boolean>): Promise<void> {
    return this.exclusive(async () => {
      const session = await this.read();
      if (session && !(await revoke(session.token))) {
        // An expired token has a session that lives on.
        const renewed = await this.renew(session);
        if (renewed) await revoke(renewed.token);
      }
      await this.storage.delete(this.sessionKey);
    });
  }

  forget(): Promise<void> {
    return this.exclusive(async () => this.storage.delete(this.sessionKey));
  }

  private refreshOnce(staleToken: string): Promise<StoredSession | null> {
    return this.exclusive(async (afterAnotherTab) => {
      const current = afterAnotherTab ? await this.readChanged(staleToken) : await this.read();
      return current && current.token === staleToken ? this.renew(current) : current;
    });
  }

  /** Reads the session, and gives the storage a moment to show what another tab has written. */
  private async readChanged(staleToken: string): Promise<StoredSession | null> {
    let session = await this.read();
    for (let waited = 0; session?.token === staleToken && waited < SETTLE_MS; waited += SETTLE_STEP_MS) {
      await pause(SETTLE_STEP_MS);
      session = await this.read();
    }
    return session;
  }

  private async renew(current: StoredSession): Promise<StoredSession | null> {
    try {
      return await this.write({ ...current, ...(await this.exchange(current.refresh_token)) });
    } catch (error) {
      // Without a problem document, the 401 is of a proxy.
      if (!(error instanceof LatchkeyError && error.problem?.status === 401)) throw error;
      await this.storage.delete(this.sessionKey);
      return null;
    }
  }

  private async write(session: RefreshedSession): Promise<StoredSession> {
    const stored = { ...session, received_at: Date.now() };
    await this.storage.set(this.sessionKey, JSON.stringify(stored));
    return stored;
  }
}

/**
 * Returns true if the token expires soon. A token that seems to have expired before it was received shows that the clock of
 * this device is wrong: then the server decides.
 */
export function isStale({ expires_at, received_at }: Validity, now: number): boolean {
  const expiresAt = Date.parse(expires_at);
  const lifetime = expiresAt - received_at;
  const margin = Math.min(MARGIN_MS, lifetime * MARGIN_SHARE);
  return lifetime > 0 && now >= expiresAt - margin;
}

type Validity = Pick<StoredSession, 'expires_at' | 'received_at'>;

/** Anything that is not a session counts as none: other scripts can write to the storage of an origin. */
function parse(text: string | null): StoredSession | null {
  try {
    const session = JSON.parse(text ?? 'null') as Partial<StoredSession> | null;
    const isSession = typeof session?.token === 'string' && typeof session.refresh_token === 'string';
    return isSession ? (session as StoredSession) : null;
  } catch {
    return null;
  }
}
