/**
 * Everything that can go wrong for a client, in one table. The code is the stable name that clients may
 * switch on; status and title follow from it (RFC 9457); the explanation is served at `/problems/{code}`.
 */
export const PROBLEMS = {
  invalid_request: {
    status: 400,
    title: 'The request is not valid',
    explanation:
      'The body is not well-formed JSON, or a member is missing, unknown, of the wrong type or not acceptable. `errors` names each fault by a JSON Pointer (RFC 6901) into the body. Mend the request; repeating it as it is gives the same answer.',
  },
  unauthenticated: {
    status: 401,
    title: 'Sign-in is needed',
    explanation:
      'This route needs a bearer token and the request carried none. Sign in and send `Authorization: Bearer <token>`.',
  },
  invalid_token: {
    status: 401,
    title: 'The token is not valid',
    explanation:
      'The bearer token is malformed, unknown, expired or revoked; which of these is not told. Sign in again.',
  },
  code_rejected: {
    status: 401,
    title: 'The code is wrong or no longer valid',
    explanation:
      'The code does not sign this phone number in. On `/v1` routes `attempts_left` says how many tries the verification still has, fewer while the number is being guessed at; `/signup` does not tell a wrong code from an expired, used or never-sent one.',
  },
  proof_of_work_required: {
    status: 403,
    title: 'A proof of work is needed first',
    explanation:
      'Before this message is paid for, the asker has to show that it is worth some work to them. Solve `challenge` (ALTCHA, version 2; the widget and `altcha-lib` do it) and send the request again with the Base64 of `{"challenge", "solution"}` as `altcha`. A challenge is for one number, once, within minutes.',
  },
  invalid_signature: {
    status: 403,
    title: 'The signature is not right',
    explanation:
      'Reports on messages are taken from the provider only, who signs them. This one is not signed, or not for this address and content. If it did come from the provider, `PUBLIC_URL` or the auth token of this server is not the right one.',
  },
  not_found: {
    status: 404,
    title: 'There is nothing here',
    explanation:
      'No route or resource has this address. A verification is forgotten one hour after it expires.',
  },
  method_not_allowed: {
    status: 405,
    title: 'The route does not know this method',
    explanation: 'The address exists, the method does not. The `Allow` header lists the methods that do.',
  },
  request_timeout: {
    status: 408,
    title: 'The request took too long to arrive',
    explanation: 'A request must have arrived whole within ten seconds. Send it again, faster.',
  },
  verification_closed: {
    status: 410,
    title: 'The verification is closed',
    explanation:
      'It was approved, canceled, has expired or is out of attempts: `verification_status` says which. Open a new verification.',
  },
  payload_too_large: {
    status: 413,
    title: 'The request body is too large',
    explanation: 'A request body may have 16 KiB at most.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The content type is not supported',
    explanation: 'Send JSON in UTF-8 with `Content-Type: application/json`.',
  },
  phone_number_not_allowed: {
    status: 422,
    title: 'This phone number is not served',
    explanation:
      'This server sends nothing to the country of the number, or to its kind of line: mobile numbers are served, premium and fixed lines are not.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    explanation:
      'A limit was reached; `limit` is its name. Wait `retry_after` seconds (also in the `Retry-After` header) and try again.',
  },
  sends_suspended: {
    status: 429,
    title: 'Messages to this number are suspended',
    explanation:
      'Too few of the messages to this prefix or from this network were answered lately, or what may be spent today is spent, so no more are paid for until `retry_after` seconds have passed (also in the `Retry-After` header).',
  },
  headers_too_large: {
    status: 431,
    title: 'The request headers are too large',
    explanation: 'The request line and headers together may have 16 KiB at most.',
  },
  internal_error: {
    status: 500,
    title: 'Something went wrong on our side',
    explanation:
      'An unforeseen fault. Nothing is known to the client but the request id in `instance`, under which the operator finds the cause in the logs.',
  },
  unavailable: {
    status: 503,
    title: 'The service is not available for a moment',
    explanation:
      'Something this server depends on is away, or the server is shutting down. Try again after the seconds in `Retry-After`.',
  },
} as const satisfies Record<string, { status: number; title: string; explanation: string }>;

/** The stable name of a problem, as clients see it in `code`. */
export type ProblemCode = keyof typeof PROBLEMS;
