import { PROBLEMS, type ProblemCode } from '#errors';
import type { Problem } from '../http/problem.js';

/** An error of Twilio's API (https://www.twilio.com/docs/usage/twilios-response). */
export interface TwilioError {
  readonly code: number;
  readonly message: string;
  readonly more_info: string;
  readonly status: number;
}

/** Twilio's code, status and message for a problem (https://www.twilio.com/docs/api/errors). */
interface Mapping {
  readonly code: number;
  readonly status: number;
  readonly message?: string;
}

const NOT_FOUND: Mapping = { code: 20404, status: 404, message: 'The requested resource was not found' };
const MAX_SENDS: Mapping = { code: 60203, status: 429, message: 'Max send attempts reached' };
const MAX_CHECKS: Mapping = { code: 60202, status: 429, message: 'Max check attempts reached' };
const TOO_MANY: Mapping = { code: 20429, status: 429, message: 'Too many requests' };
const BLOCKED: Mapping = {
  code: 60410,
  status: 403,
  message: 'The destination or its requester is temporarily blocked, because of too many unverified messages',
};
const NO_COUNTRY: Mapping = {
  code: 60605,
  status: 403,
  message: 'Verifications of this country or type of line are not allowed',
};

const MAPPINGS: Partial<Record<ProblemCode, Mapping>> = {
  invalid_request: { code: 60200, status: 400 },
  invalid_client: { code: 20003, status: 401, message: 'Authenticate' },
  not_found: NOT_FOUND,
  verification_closed: NOT_FOUND,
  unsupported_media_type: {
    code: 20415,
    status: 415,
    message: 'Send application/x-www-form-urlencoded in UTF-8',
  },
  phone_number_not_allowed: NO_COUNTRY,
  sends_suspended: BLOCKED,
  // The protocol has no place for a challenge.
  proof_of_work_required: BLOCKED,
};

const SEND_LIMITS = new Set<unknown>([
  'cool_down',
  'sends_per_number',
  'sends_per_address',
  'sends_per_client',
]);

/** Returns true for the routes whose answers have the form of Twilio Verify. */
export function answersAsTwilio(path: string): boolean {
  return /^\/v2\/Services(\/|$)/.test(path);
}

/** Returns the error of Twilio's API that corresponds to a problem. */
export function twilioErrorOf(problem: Problem, publicUrl: string): TwilioError {
  const { code, status, message = messageOf(problem) } = mappingOf(problem);
  return { code, message, more_info: `${publicUrl}/problems/${problem.code}`, status };
}

function mappingOf({ code, extensions = {} }: Problem): Mapping {
  if (code === 'rate_limited') return SEND_LIMITS.has(extensions.limit) ? MAX_SENDS : TOO_MANY;
  const isUsedUp = extensions.verification_status === 'max_attempts_reached';
  if (code === 'verification_closed' && isUsedUp) return MAX_CHECKS;
  const { status } = PROBLEMS[code];
  return MAPPINGS[code] ?? { code: 20_000 + status, status };
}

function messageOf({ detail, extensions }: Problem): string {
  const [fault] = (extensions?.errors ?? []) as { detail: string }[];
  return fault ? `Invalid parameter: ${detail}: ${fault.detail}` : detail;
}
