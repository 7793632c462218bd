import {
  CodeRejected,
  type Fault,
  InvalidRequest,
  InvalidToken,
  MalformedBody,
  Unauthenticated,
} from '#errors';

/** The routes that the Go server had. Its clients use no others. */
const ROUTES = ['/signup', '/protected'] as const;
type GoRoute = (typeof ROUTES)[number];

/** A route of the Go server with more slashes than it needs, before the query. */
const WITH_SLASHES = /^\/+(signup|protected)\/*(?=$|[?#])/;

/** The members of a sign-up, which are strings in the struct of a client. */
const STRINGS = ['phone_number', 'name', 'otp'];

const INVALID_PAYLOAD = 'Invalid request payload';

/** The parts of a request that the text of its error depends on. */
export interface RefusedRequest {
  /** The URL of the request, or the path of its route. */
  readonly url: string;
  /** Undefined: it was not read. */
  readonly body?: unknown;
  readonly authorization?: string;
}

/** Removes doubled and trailing slashes from the routes of the Go server. Leaves every other URL unchanged. */
export function withoutExtraSlashes(url: string): string {
  return url.replace(WITH_SLASHES, '/$1');
}

/**
 * Returns the member `error` of a problem for clients of the Go server: its own text where it had one, else the title.
 *
 * @param error as it was thrown.
 * @returns null on the routes that the Go server did not have.
 */
export function goErrorOf(error: unknown, title: string, request: RefusedRequest): string | null {
  const route = goRouteOf(request.url);
  if (route === null) return null;
  const text = route === '/signup' ? signUpError(error, request) : protectedError(error, request);
  return text ?? title;
}

/** A request that no route answers may spell its path differently, as a router would read it. */
function goRouteOf(url: string): GoRoute | null {
  const path = withoutExtraSlashes(decoded(url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '')));
  return ROUTES.find((route) => route === path) ?? null;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function signUpError(error: unknown, { body }: RefusedRequest): string | null {
  if (error instanceof CodeRejected) return 'Invalid or expired OTP';
  if (error instanceof MalformedBody) return INVALID_PAYLOAD;
  if (!(error instanceof InvalidRequest)) return null;
  const { errors } = error.extensions as { errors: readonly Fault[] };
  const isNumberFaulty = errors.some(({ pointer }) => pointer === '/phone_number');
  if (body === undefined) return isNumberFaulty ? INVALID_PAYLOAD : null;
  // The Go server decoded the body before it looked for the number.
  if (!isDecodable(body)) return INVALID_PAYLOAD;
  return isNumberFaulty && isBlank(body.phone_number) ? 'Phone number is required' : null;
}

function protectedError(error: unknown, { authorization }: RefusedRequest): string | null {
  if (!(error instanceof Unauthenticated || error instanceof InvalidToken)) return null;
  const isWellFormed = authorization === undefined || /^Bearer +[^ ]+$/i.test(authorization.trim());
  return isWellFormed ? 'Unauthorized' : 'Invalid authorization header';
}

/** Go decodes `null` and an absent member into an empty string. */
function isDecodable(body: unknown): body is Record<string, string | null | undefined> {
  if (typeof body !== 'object' || body === null) return false;
  const members = body as Record<string, unknown>;
  return STRINGS.every((name) => typeof (members[name] ?? '') === 'string');
}

function isBlank(text: string | null | undefined): boolean {
  return (text ?? '').trim() === '';
}
