import createClient, { type Client } from 'openapi-fetch';
import { addressOf, baseOf } from './address.js';
import { type Answer, answerTo } from './answers.js';
import type { components, paths } from './api.js';
import { deliveryChanges, isFinal } from './delivery.js';
import { exclusiveHere, exclusiveInOrigin } from './exclusive.js';
import * as expected from './expected.js';
import { type ProofWorker, withProof } from './proof-of-work.js';
import { Sessions, type StoredSession } from './sessions.js';
import { browserStorage, type LatchkeyStorage, memoryStorage } from './storage.js';

type Schemas = components['schemas'];
type OpenVerification = Schemas['OpenVerification'];
type ResendVerification = Schemas['ResendVerification'];
type ChangePhoneNumber = Schemas['ChangePhoneNumber'];

/** All tabs wait for a refresh and for a sign-out. */
const TIMEOUT_MS = 10_000;

export type Verification = Schemas['Verification'];
export type Session = Schemas['Session'];

export interface LatchkeyOptions {
  /** Where the server is reached, such as `https://id.example.com`. A page may name a path of its own origin: `/auth`. */
  readonly url: string;
  /**
   * Where the session and the device token are kept:
   *
   * - `memory` (default): until the page is closed or reloaded
   * - `localStorage`: in the browser, for all tabs of the origin; all its scripts can read them
   * - an adapter of another store
   */
  readonly storage?: 'memory' | 'localStorage' | LatchkeyStorage;
  /** Sends the requests. Default: `fetch`. */
  readonly fetch?: (request: Request) => Promise<Response>;
  /** Creates the worker of `@latchkey/client/worker`, for bundlers that do not find it by themselves. */
  readonly createWorker?: () => { postMessage(message: unknown): void; terminate(): void };
}

export interface RequestOptions {
  /** Ends the request and all that it waits for. The promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Creates a client for one user of a Latchkey server. */
export function createLatchkey(options: LatchkeyOptions): Latchkey {
  return new Latchkey(options);
}

/** Signs a user in, and keeps the session. Methods throw LatchkeyError for any answer that is not a success. */
export class Latchkey {
  /**
   * All routes of the server with their types (openapi-fetch). Requests have the token of the session, like those of `fetch`;
   * errors are returned, not thrown.
   */
  readonly api: Client<paths>;
  private readonly base: string;
  private readonly send: (request: Request) => Promise<Response>;
  private readonly anonymous: Client<paths>;
  private readonly signedIn: Client<paths>;
  private readonly sessions: Sessions;
  private readonly createWorker?: () => ProofWorker;
  /** The `ETag` of each known state of a verification. */
  private readonly tags = new WeakMap<Verification, string>();

  constructor({ url, storage = 'memory', fetch, createWorker }: LatchkeyOptions) {
    this.base = baseOf(url);
    this.send = fetch ?? ((request) => globalThis.fetch(request));
    this.createWorker = createWorker as (() => ProofWorker) | undefined;
    const authorized = (request: Request) => this.authorized(request);
    this.api = createClient<paths>({ baseUrl: this.base, fetch: authorized });
    // A redirect would take tokens elsewhere.
    const options = { baseUrl: this.base, redirect: 'manual' } as const;
    this.anonymous = createClient<paths>({ ...options, fetch: expected.jsonOnly(this.send) });
    this.signedIn = createClient<paths>({ ...options, fetch: expected.jsonOnly(authorized) });
    const name = `latchkey ${this.base}`;
    const exclusive = storage === 'memory' ? exclusiveHere() : exclusiveInOrigin(name);
    this.sessions = new Sessions(name, storageOf(storage), exclusive, (token) => this.exchange(token));
  }

  /** Sends a code to a phone number. A proof of work that the server requires is computed on the way. */
  async start(request: OpenVerification, { signal }: RequestOptions = {}): Promise<Verification> {
    const known = await this.knownDevice();
    return this.verificationOf((proof, header) => {
      const body = { ...known, ...request, ...proof };
      return this.anonymous.POST('/v1/verifications', { body, params: { header }, signal });
    }, signal);
  }

  /** Sends the same code again, from the verification's `resend_at` on. */
  async resend(
    verification: Verification | string,
    request: ResendVerification = {},
    { signal }: RequestOptions = {},
  ): Promise<Verification> {
    const known = await this.knownDevice();
    const path = { id: idOf(verification) };
    return this.verificationOf((proof, header) => {
      const body = { ...known, ...request, ...proof };
      return this.anonymous.POST('/v1/verifications/{id}/resend', { body, params: { path, header }, signal });
    }, signal);
  }

  /** Sends a code to another number of the signed-in user. `check` then moves the account to it. */
  async changePhoneNumber(
    request: ChangePhoneNumber,
    { signal }: RequestOptions = {},
  ): Promise<Verification> {
    const known = await this.knownDevice();
    return this.verificationOf((proof, header) => {
      const body = { ...known, ...request, ...proof };
      return this.signedIn.POST('/v1/me/phone_number', { body, params: { header }, signal });
    }, signal);
  }

  /** Yields the state of a verification, then each change, until its message has arrived or cannot arrive. */
  async *changes(
    verification: Verification | string,
    { signal }: RequestOptions = {},
  ): AsyncGenerator<Verification, void, undefined> {
    const isId = typeof verification === 'string';
    const state = isId ? await this.verification(verification, { signal }) : verification;
    yield* deliveryChanges(state, (known) => this.nextState(known, signal), signal);
  }

  /** Waits until the message of a verification has arrived or cannot arrive, and returns the verification. */
  async waitForDelivery(
    verification: Verification | string,
    options: RequestOptions = {},
  ): Promise<Verification> {
    for await (const state of this.changes(verification, options)) if (isFinal(state)) return state;
    throw new Error('the changes ended without a final state');
  }

  /** Returns the state of a verification. */
  async verification(id: string, { signal }: RequestOptions = {}): Promise<Verification> {
    const send = () => this.anonymous.GET('/v1/verifications/{id}', { params: { path: { id } }, signal });
    return this.tagged(await answerTo(send, expected.isVerification, signal));
  }

  /** Cancels a verification, so that its code can no longer be used. */
  async cancel(verification: Verification | string, { signal }: RequestOptions = {}): Promise<void> {
    const path = { id: idOf(verification) };
    await answerTo(
      () => this.anonymous.DELETE('/v1/verifications/{id}', { params: { path }, signal }),
      expected.isEmpty,
      signal,
    );
  }

  /** Verifies a code, and stores the session that it opens. Typed spaces and hyphens do not matter. */
  async check(
    verification: Verification | string,
    code: string,
    { name, signal }: RequestOptions & { name?: string } = {},
  ): Promise<Session> {
    const body = { ...(await this.knownDevice()), code, name };
    const params = { path: { id: idOf(verification) }, header: newKey() };
    // With the token of a session: the check of a change of number needs it.
    const send = () => this.signedIn.POST('/v1/verifications/{id}/check', { body, params, signal });
    const { data } = await answerTo(send, expected.isSessionOrProof, signal);
    // A verification without an account needs the credentials of a backend, which this client has not.
    if ('proof' in data) throw new TypeError('the verification opens no session');
    await this.sessions.begin(data);
    return data;
  }

  /** Returns the stored session, or null. The server may have ended it since. */
  session(): Promise<StoredSession | null> {
    return this.sessions.read();
  }

  /** Returns a token that is valid for a while, for requests to your own services, or null without a session. */
  async token(): Promise<string | null> {
    return (await this.sessions.usable())?.token ?? null;
  }

  /** Returns a signed token for a service that verifies it by itself, as `token`. It is valid for `expires_in` seconds. */
  async signedToken(audience?: string, { signal }: RequestOptions = {}): Promise<Schemas['SignedToken']> {
    const send = () => this.signedIn.POST('/v1/session/jwt', { body: { audience }, signal });
    return (await answerTo(send, expected.isSignedToken, signal)).data;
  }

  /**
   * Sends a request to the server with the token of the session. A token that has expired is exchanged first, and one that the
   * server refuses is exchanged once.
   *
   * @param path starts with `/`.
   */
  async fetch(path: string, init?: RequestInit): Promise<Response> {
    return this.authorized(new Request(addressOf(this.base, path), init));
  }

  /** Ends the session at the server and forgets it. When this throws, the session is kept: repeat it, or use `forget`. */
  signOut({ signal }: RequestOptions = {}): Promise<void> {
    return this.sessions.end(async (token) => {
      const headers = { Authorization: `Bearer ${token}` };
      const send = () => {
        const limited = signal ?? AbortSignal.timeout(TIMEOUT_MS);
        return this.anonymous.DELETE('/v1/session', { headers, signal: limited });
      };
      return answerTo(send, expected.isEmpty, signal).then(
        () => true,
        (error) => {
          if (error.status !== 401) throw error;
          return false;
        },
      );
    });
  }

  /** Forgets the session on this device only. */
  forget(): Promise<void> {
    return this.sessions.forget();
  }

  private async authorized(request: Request): Promise<Response> {
    const session = request.headers.has('Authorization') ? null : await this.sessions.usable();
    if (!session) return this.send(request);
    const again = request.clone();
    const response = await this.send(withToken(request, session.token));
    if (!(await expected.isInvalidToken(response))) return response;
    const renewed = await this.sessions.refresh(session);
    return renewed ? this.send(withToken(again, renewed.token)) : response;
  }

  /** The server accepts a refresh token again for a while, so that a lost answer can be repeated. */
  private async exchange(refresh_token: string): Promise<Schemas['RefreshedSession']> {
    const send = () => {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      return this.anonymous.POST('/v1/session/refresh', { body: { refresh_token }, signal });
    };
    return (await answerTo(send, expected.isRefreshedSession)).data;
  }

  private async knownDevice(): Promise<{ device_token?: string }> {
    const device_token = await this.sessions.deviceToken();
    return device_token === null ? {} : { device_token };
  }

  private async verificationOf(send: SendCode, signal?: AbortSignal): Promise<Verification> {
    const attempt = (altcha?: string) => {
      const header = newKey();
      const request = () => send(altcha === undefined ? {} : { altcha }, header);
      return answerTo(request, expected.isVerification, signal);
    };
    return this.tagged(await withProof(attempt, signal, this.createWorker));
  }

  /** Waits for a state other than the known one. Returns null if there was none in time. */
  private async nextState(known: Verification, signal?: AbortSignal): Promise<Verification | null> {
    const tag = this.tags.get(known);
    // Without the tag of an earlier answer, a change before this request would be missed.
    if (tag === undefined) return this.verification(known.id, { signal });
    const params = { path: { id: known.id }, query: { wait: 20 }, header: { 'If-None-Match': tag } };
    const poll = async () => {
      const { response, ...result } = await this.anonymous.GET('/v1/verifications/{id}', { params, signal });
      if (response.status !== 304) return { response, ...result };
      return { data: known, response: new Response() };
    };
    const { data, response } = await answerTo(poll, expected.isVerification, signal);
    return data === known ? null : this.tagged({ data, response });
  }

  private tagged({ data, response }: Answer<Verification>): Verification {
    const tag = response.headers.get('ETag');
    if (tag !== null) this.tags.set(data, tag);
    return data;
  }
}

/** Requests a code. */
type SendCode = (
  proof: { altcha?: string },
  header: { 'Idempotency-Key': string },
) => Promise<{ data?: Verification; error?: unknown; response: Response }>;

function storageOf(storage: NonNullable<LatchkeyOptions['storage']>): LatchkeyStorage {
  if (typeof storage !== 'string') return storage;
  return storage === 'memory' ? memoryStorage() : browserStorage();
}

function idOf(verification: Verification | string): string {
  return typeof verification === 'string' ? verification : verification.id;
}

/** `crypto.randomUUID` is missing on pages without HTTPS. */
function newKey(): { 'Idempotency-Key': string } {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return { 'Idempotency-Key': Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('') };
}

function withToken(request: Request, token: string): Request {
  request.headers.set('Authorization', `Bearer ${token}`);
  return request;
}
