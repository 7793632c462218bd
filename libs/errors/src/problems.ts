/**
 * The table of errors that clients can receive. The code is the stable name that clients may switch on. Status and
 * title follow from it (RFC 9457); the explanation is served at `/problems/{code}`.
 */
export const PROBLEMS = {
  invalid_request: {
    status: 400,
    title: 'The request is not valid',
    explanation:
      'The body is not well-formed JSON, or a member is missing, unknown, of the wrong type or not acceptable. `errors` lists each fault with a JSON Pointer (RFC 6901) into the body. Fix the request before retrying.',
  },
  unauthenticated: {
    status: 401,
    title: 'Authentication is required',
    explanation:
      'This route needs a bearer token, and the request has none. Sign in, then send `Authorization: Bearer <token>`.',
  },
  invalid_token: {
    status: 401,
    title: 'The token is not valid',
    explanation:
      'The bearer token or refresh token is malformed, unknown, expired or revoked; the response does not say which. If you have a refresh token that you have not used, refresh the session; else sign in again.',
  },
  invalid_client: {
    status: 401,
    title: 'The client is not known',
    explanation:
      'The request needs the credentials of a client that the operator has registered (`CLIENTS_FILE`), by HTTP Basic. It has none, or they are wrong, or the client has not the purpose that the request needs. Under `/oauth` the answer has the form of OAuth errors (RFC 6749, section 5.2), and under `/v2/Services` that of Twilio.',
  },
  code_rejected: {
    status: 401,
    title: 'The code is wrong or no longer valid',
    explanation:
      'The code does not verify this phone number. On `/v1` routes `attempts_left` is the number of attempts that remain; there are fewer while the number is under attack. `/signup` does not distinguish between a wrong, an expired, a used and a never-sent code.',
  },
  proof_of_work_required: {
    status: 403,
    title: 'Proof of work is required',
    explanation:
      'Solve the proof-of-work challenge in `challenge` (ALTCHA, version 2; the ALTCHA widget and `altcha-lib` can do it). Then repeat the request with `altcha`: the Base64 of `{"challenge", "solution"}` as JSON. A challenge is valid for one phone number, once, for a few minutes.',
  },
  insufficient_scope: {
    status: 403,
    title: 'The token has another scope',
    explanation:
      'The bearer token is valid, but not for this route, which needs the scope `authentication`. Tokens of a sign-in have it.',
  },
  recent_sign_in_required: {
    status: 403,
    title: 'A recent sign-in is required',
    explanation:
      'The account can be deleted only by a session that began within the last ten minutes, so that a stolen token cannot do it. A refresh is no sign-in. Its phone number can be changed by such a session, or with the `device_token` of a device that has signed in on the number before. Sign in again, then repeat the request with the new token.',
  },
  number_recycled: {
    status: 403,
    title: 'The number may belong to another person now',
    explanation:
      'The code is right, but the account of this number was not used for so long (`RECYCLED_AFTER`) that a carrier may have given the number to another person. This server refuses such sign-ins (`RECYCLED_NUMBERS=refuse`). A device that has signed in on the number before can sign in: send its `device_token`. Else ask the operator.',
  },
  cross_site_request: {
    status: 403,
    title: 'The request comes from another site',
    explanation:
      'The request was authenticated by the session cookie, which browsers also send for pages of other sites. A request that changes something must have `Sec-Fetch-Site: same-origin`, `same-site` or `none`, as browsers send it, or an `Origin` that names this server. Apps that are not browsers send the token as `Authorization: Bearer <token>`.',
  },
  invalid_signature: {
    status: 403,
    title: 'The signature is not valid',
    explanation:
      'Delivery reports must be signed by the provider. This one has no signature, or the signature does not match the URL and the content. If it did come from the provider, check `PUBLIC_URL` and `TWILIO_AUTH_TOKEN`.',
  },
  not_found: {
    status: 404,
    title: 'Not found',
    explanation: 'No route or resource has this URL. A verification is deleted one hour after it expires.',
  },
  method_not_allowed: {
    status: 405,
    title: 'The method is not allowed',
    explanation:
      'The route exists, but not with this method. The `Allow` header lists the methods it supports.',
  },
  request_timeout: {
    status: 408,
    title: 'The request took too long to arrive',
    explanation: 'The whole request must arrive within 10 seconds. Send it again over a faster connection.',
  },
  version_conflict: {
    status: 409,
    title: 'The resource has changed',
    explanation:
      'The change is based on another version than the current one: another device has changed the resource. Read it again, and repeat the change with its `version`.',
  },
  verification_closed: {
    status: 410,
    title: 'The verification is closed',
    explanation:
      'The verification was approved or canceled, has expired, or has no attempts left: see `verification_status`. Open a new verification.',
  },
  payload_too_large: {
    status: 413,
    title: 'The request body is too large',
    explanation:
      'A request body must not be larger than 16 KiB, and an uploaded image not larger than 5 MiB.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The content type is not supported',
    explanation:
      'Send JSON in UTF-8 with `Content-Type: application/json`, or an image to the route that takes one.',
  },
  image_rejected: {
    status: 422,
    title: 'The image cannot be used',
    explanation:
      'The upload is not a JPEG, PNG, WebP, AVIF or GIF image that can be read, has more than 24 megapixels, or takes too long to decode; `detail` says which. Send another image.',
  },
  misdirected_request: {
    status: 421,
    title: 'The request is for another host',
    explanation:
      'The inbox answers only requests whose `Host` header names a loopback address, `localhost`, the address that the server listens on, or the host of `PUBLIC_URL`. Otherwise any web page could read codes, by a name that it points at this server (DNS rebinding). Use one of these addresses, or set `PUBLIC_URL` to the one you use.',
  },
  phone_number_not_allowed: {
    status: 422,
    title: 'This phone number is not supported',
    explanation:
      'This server does not send messages to the country of the number or to its type of line, or its message provider does not serve the country on this channel. Mobile numbers are supported; landlines by `call` only; premium-rate and satellite numbers are not.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    explanation:
      'A rate limit was reached; `limit` is its name. Retry after `retry_after` seconds (also in the `Retry-After` header).',
  },
  sends_suspended: {
    status: 429,
    title: 'Messages to this number are suspended',
    explanation:
      'Too few recent messages to this range of numbers, or requested from this network, were verified; or the spending cap for the day is reached. No message is sent until `retry_after` seconds have passed (also in the `Retry-After` header).',
  },
  headers_too_large: {
    status: 431,
    title: 'The request headers are too large',
    explanation: 'The request line and headers together must not be larger than 16 KiB.',
  },
  internal_error: {
    status: 500,
    title: 'Internal server error',
    explanation:
      'An unexpected error occurred. Quote the request id in `instance` to the operator, who can find the cause in the logs.',
  },
  unavailable: {
    status: 503,
    title: 'The service is temporarily unavailable',
    explanation:
      'A service that this server depends on does not respond, or the server is shutting down. Retry after the seconds in the `Retry-After` header.',
  },
} as const satisfies Record<string, { status: number; title: string; explanation: string }>;

/** The stable name of a problem: the member `code`. */
export type ProblemCode = keyof typeof PROBLEMS;
