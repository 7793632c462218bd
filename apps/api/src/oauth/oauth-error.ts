import type { ProblemCode } from '#errors';
import type { Problem } from '../http/problem.js';

/** The errors of RFC 6749, sections 4.1.2.1 and 5.2. All other problems are an `invalid_request`. */
const ERRORS: Partial<Record<ProblemCode, string>> = {
  invalid_client: 'invalid_client',
  rate_limited: 'temporarily_unavailable',
  unavailable: 'temporarily_unavailable',
  internal_error: 'server_error',
};

/** Details of other routes that are not true here. */
const DESCRIPTIONS: Partial<Record<ProblemCode, string>> = {
  unsupported_media_type: 'send application/x-www-form-urlencoded in UTF-8',
};

/** Returns true for the routes whose errors have the form of OAuth. */
export function answersAsOAuth(path: string): boolean {
  return path.startsWith('/oauth/');
}

/** Returns the body of RFC 6749, section 5.2. The description must be ASCII without quotes and backslashes. */
export function oauthErrorBody({ code, detail }: Problem, publicUrl: string): object {
  return {
    error: ERRORS[code] ?? 'invalid_request',
    error_description: (DESCRIPTIONS[code] ?? detail).replaceAll(/[^ !#-[\]-~]/g, "'"),
    error_uri: `${publicUrl}/problems/${code}`,
  };
}
