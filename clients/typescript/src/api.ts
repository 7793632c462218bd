// Generated from docs/openapi.json by `npm run docs`.

export interface paths {
    "/signup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sends a code, or verifies it and signs in
         * @description Without `otp` a code is sent. The answer is the same for every number, so it does not reveal whether the number has an account. With `otp` the code is verified and a session is created. A new number gets an account.
         *
         *     Attempts and the name belong to the client that requested the code. It is recognised by the cookie `latchkey_signup`, or by its address. The name of the request with the code takes precedence.
         */
        post: operations["signUp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/protected": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns the signed-in user
         * @description The smallest protected route, to try a token with.
         */
        get: operations["getProtected"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/verifications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sends a code to a phone number
         * @description The answer is always 202 with this body, so it does not reveal whether the number has an account. A backend sends the credentials of its client, and `client_address`. With `purpose: "verify"` the code proves the number to the client.
         */
        post: operations["requestCode"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/verifications/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns the state of the verification and of its newest message
         * @description With `wait` the answer is delayed until the state changes, or until this many seconds have passed. It may come earlier: pause for a second before you ask again. Send the `ETag` of an earlier answer as `If-None-Match` to get an answer at once if the state has changed since, and 304 if it has not changed by the end of the wait.
         */
        get: operations["getVerification"];
        put?: never;
        post?: never;
        /**
         * Cancels the verification
         * @description Its code can no longer be used.
         */
        delete: operations["cancelVerification"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/verifications/{id}/resend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sends the same code again
         * @description Allowed from `resend_at` on. Without `channel` the code takes the channel of the previous message.
         */
        post: operations["resendCode"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/verifications/{id}/check": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Verifies the code and creates a session
         * @description A code works once. A new number gets an account. The code of a change of number (`POST /v1/me/phone_number`) moves the account instead: the request needs the session that requested it, and the answer is this session, with a new token. The other sessions of the account end. The code is rejected if the number has an account already. The code of a verification with the purpose `verify` needs the credentials of the client that requested it, and is answered without a session.
         */
        post: operations["checkCode"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Answers 200 while the process runs
         * @description Restart the process if it does not answer.
         */
        get: operations["getLiveness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Reports the state of each dependency
         * @description Checks that requests can write to Postgres and add tasks to the queue. Send requests only while the status is 200. Otherwise a dependency is down, or the server is shutting down.
         */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/devices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revokes every device token of the number
         * @description Each device is an unknown device on its next sign-in, including this one. Sessions are not revoked.
         */
        delete: operations["revokeDevices"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns the signed-in user
         * @description The `ETag` is the version of the user.
         */
        get: operations["getMe"];
        put?: never;
        post?: never;
        /**
         * Deletes the account of the signed-in user
         * @description Deletes the user, all sessions, and the verifications of the number. The session must have begun within the last ten minutes. Repeat the request when the answer is 503; if it is 401 then, sign in again and check.
         */
        delete: operations["deleteMe"];
        options?: never;
        head?: never;
        /**
         * Changes the signed-in user
         * @description To detect that another device has changed the user, send the `version` that the change is based on, or its `ETag` as `If-Match`.
         */
        patch: operations["changeMe"];
        trace?: never;
    };
    "/v1/me/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns all that is stored about the signed-in user
         * @description Secrets, which are stored as hashes, are not part of it.
         */
        get: operations["exportMe"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/phone_number": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sends a code to another phone number, to move the account of the signed-in user there
         * @description Check the code at `/v1/verifications/{id}/check`, with the same session. The answer is always 202 with this body, so it does not reveal whether the number has an account. The session must have begun within the last ten minutes, or the request must have the `device_token` of a device that has signed in on the account's number. An account can change its number three times a day.
         */
        post: operations["changePhoneNumber"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/me/avatar": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Replaces the avatar of the signed-in user
         * @description Send the image as the body, or as the part `file` of a form: JPEG, PNG, WebP, AVIF, or GIF (the first frame). It may have 5 MiB and 24 megapixels. It is cropped to a square and stored as WebP, without metadata. A user can upload ten times a day.
         */
        put: operations["putAvatar"];
        post?: never;
        /**
         * Deletes the avatar of the signed-in user
         * @description Does nothing if there is none.
         */
        delete: operations["deleteAvatar"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/avatars/{file}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns an image of an avatar
         * @description The paths are in `avatar` of a user. An image of a path never changes.
         */
        get: operations["getAvatar"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Exchanges a refresh token for new tokens
         * @description A refresh token works once. The answer has the next one. For 30 seconds after its first use the same refresh token gets the same successor, so repeat a request whose answer was lost. A later use ends the session: one of two clients has copied the token. A session can be refreshed 60 times a minute. Earlier bearer tokens of the session stay valid until they expire.
         */
        post: operations["refreshSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Authenticates a request for a reverse proxy
         * @description The answer has no body. Forward it to the backend as headers: nginx `auth_request`, Caddy `forward_auth` and Traefik `ForwardAuth` call this route before each request.
         */
        get: operations["verifySession"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session/jwt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Returns a signed token for another service
         * @description The service verifies it by the public keys at `/.well-known/jwks.json`, without a request to this server. It is valid for ten minutes, also when the session ends before.
         */
        post: operations["signToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Signs out
         * @description Ends the session of this request: its next request is answered with 401, whichever of its tokens it has.
         */
        delete: operations["signOut"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists the sessions of the user, newest first
         * @description A session is one sign-in on one device. Ended and expired sessions are not listed.
         */
        get: operations["listSessions"];
        put?: never;
        post?: never;
        /**
         * Ends all other sessions of the user
         * @description With `include=current` it also ends the session of this request. The next request of an ended session is answered with 401.
         */
        delete: operations["endSessions"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Ends one session of the user
         * @description Its next request is answered with 401. Ending it again changes nothing.
         */
        delete: operations["endSession"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/.well-known/jwks.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns the public keys of signed tokens
         * @description Keys are rotated every 30 days. A new one is published before it signs. Keep them for five minutes, and read them again when a token names a key that is not known.
         */
        get: operations["getPublicKeys"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/.well-known/oauth-authorization-server": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns the addresses that OAuth libraries need
         * @description Users sign in by the routes of this document, not by OAuth, so there is neither an authorization endpoint nor a token endpoint.
         */
        get: operations["getServerMetadata"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operations/blocks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists active SMS-abuse blocks
         * @description A block is on an address, a network, a range of numbers or a country.
         */
        get: operations["listBlocks"];
        put?: never;
        post?: never;
        /**
         * Lifts all SMS-abuse blocks
         * @description Their counters are reset.
         */
        delete: operations["liftAllBlocks"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operations/blocks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Lifts one SMS-abuse block
         * @description Its counters are reset.
         */
        delete: operations["liftBlock"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/operations/numbers/lookup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Looks up a phone number
         * @description Returns its verifications, the delivery of their messages, and what limits the next message. Start here when a user says that no message came. It changes nothing. The number is in the body, so that no log and no proxy keeps it.
         */
        post: operations["lookUpNumber"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/introspect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Tells another service whether a token is valid (RFC 7662)
         * @description The answer is `{"active": false}` for every token that is not valid now: a malformed, unknown, expired or revoked one, one of an ended session, and a refresh token.
         */
        post: operations["introspectToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/oauth/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Ends the session of a token or a refresh token (RFC 7009)
         * @description All tokens of the session are revoked: their next request is refused. The answer is the same for a token that is not known.
         */
        post: operations["revokeToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/Services/{service}/Verifications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sends a code to a phone number
         * @description While a code of the client for the number is valid, it is sent again, under the same SID.
         */
        post: operations["startVerification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/Services/{service}/VerificationCheck": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Checks a code
         * @description A wrong code is answered with `valid: false`. A right one is `approved` once; the next check is answered with 404.
         */
        post: operations["checkVerification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v2/Services/{service}/Verifications/{verification}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns a verification
         * @description `status` is its state. A verification of another client or purpose is answered with 404.
         */
        get: operations["fetchVerification"];
        put?: never;
        /**
         * Cancels a verification
         * @description The status `approved`, which Twilio accepts for codes that the caller checks itself, is refused.
         */
        post: operations["cancelVerificationBySid"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description One fault of a request body. */
        Fault: {
            /**
             * @description JSON Pointer to the faulty member of the body (RFC 6901).
             * @example /phone_number
             */
            pointer: string;
            /**
             * @description The rule that the member breaks.
             * @example must be an international phone number, such as +14155550100
             */
            detail: string;
        };
        /** @description A problem document (RFC 9457) with a stable `code`. The optional members depend on the code. */
        Problem: {
            /**
             * @description URL of a short explanation.
             * @example http://localhost:4000/problems/rate_limited
             */
            type: string;
            /**
             * @description Short text that is the same for every occurrence of the code.
             * @example Too many requests
             */
            title: string;
            /**
             * @description The HTTP status of the response.
             * @example 429
             */
            status: number;
            /**
             * @description Explanation of this occurrence.
             * @example try again in 27 s
             */
            detail: string;
            /**
             * @description The request id. The operator finds the cause in the logs by it.
             * @example 0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e
             */
            instance: string;
            /**
             * @description Stable name of the problem.
             * @example rate_limited
             * @enum {string}
             */
            code: "invalid_request" | "unauthenticated" | "invalid_token" | "invalid_client" | "code_rejected" | "proof_of_work_required" | "insufficient_scope" | "recent_sign_in_required" | "number_recycled" | "cross_site_request" | "invalid_signature" | "not_found" | "method_not_allowed" | "request_timeout" | "version_conflict" | "verification_closed" | "payload_too_large" | "unsupported_media_type" | "image_rejected" | "misdirected_request" | "phone_number_not_allowed" | "rate_limited" | "sends_suspended" | "headers_too_large" | "internal_error" | "unavailable";
            /** @description With `invalid_request`: the faults of the body. */
            errors?: components["schemas"]["Fault"][];
            /**
             * @description With `code_rejected` on `/v1` routes: remaining attempts of the verification. Fewer while the number is under attack.
             * @example 4
             */
            attempts_left?: number;
            /**
             * @description With `verification_closed`: the reason.
             * @example expired
             * @enum {string}
             */
            verification_status?: "canceled" | "approved" | "max_attempts_reached" | "expired";
            /**
             * @description With `rate_limited`: name of the limit.
             * @example cool_down
             */
            limit?: string;
            /**
             * @description With `rate_limited` and `sends_suspended`: seconds to wait before a retry.
             * @example 27
             */
            retry_after?: number;
            /** @description With `proof_of_work_required`: the challenge to solve (ALTCHA, version 2). */
            challenge?: {
                [key: string]: unknown;
            };
            /** @description With `unavailable` at `/health/ready`: the state of each dependency by name. */
            dependencies?: {
                [key: string]: unknown;
            };
            /**
             * @description At `/signup` and `/protected`, for clients of the Go server: its own text, or the title again.
             * @example Invalid or expired OTP
             */
            error?: string;
        };
        /** @description The answer to a request for a code. */
        CodeSent: {
            /** @description Always true. */
            success: boolean;
            /**
             * @description A sentence for people.
             * @example OTP sent successfully
             */
            message: string;
        };
        /** @description The images of an avatar, as paths on this server. An image of a path never changes. */
        Avatar: {
            /**
             * @description 512 × 512 pixels.
             * @example /v1/avatars/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.webp
             */
            large: string;
            /**
             * @description 128 × 128 pixels.
             * @example /v1/avatars/60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752.webp
             */
            small: string;
        };
        /** @description A user in the form that clients of the Go server read: `created_at` has whole seconds. */
        SignUpUser: {
            /**
             * @description Name from the sign-in that created the account, or the one that the user chose since.
             * @example Ada
             */
            name: string | null;
            /**
             * @description Language that the user chose (BCP 47).
             * @example en
             */
            locale: string | null;
            /**
             * @description The phone number in E.164 form.
             * @example +14155550100
             */
            phone_number: string;
            /** @description The avatar of the user, if there is one. */
            avatar: components["schemas"]["Avatar"] | null;
            /**
             * @description Number of changes, for optimistic locking.
             * @example 1
             */
            version: number;
            /**
             * @description Identifies the user: a UUIDv7, or a 64-bit integer if the server has `SIGNUP_NUMERIC_IDS=on`.
             * @example 0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e
             */
            id: string | number;
            /**
             * Format: date-time
             * @description When the account was created.
             * @example 2026-11-25T10:00:00Z
             */
            created_at: string;
        };
        /** @description The answer to a sign-in. */
        SignedUp: {
            /** @description Always true. */
            success: boolean;
            /**
             * @description A sentence for people.
             * @example User registered successfully
             */
            message: string;
            /** @description The user who signed in. */
            data: components["schemas"]["SignUpUser"];
            /**
             * @description The bearer token. It cannot be read again later.
             * @example 7CJ5KQ2N3XW4EYAV6DZTLM5RUI
             */
            token: string;
            /**
             * Format: date-time
             * @description When the token expires.
             * @example 2026-12-25T10:00:00.000Z
             */
            expires_at: string;
            /**
             * @description Exchanges the session's tokens for new ones, by `POST /v1/session/refresh`.
             * @example MF3H5Q2N3XW4EYAV6DZTLM5RUI
             */
            refresh_token: string;
            /**
             * Format: date-time
             * @description When the session ends, unless it is refreshed before.
             * @example 2026-12-25T10:00:00.000Z
             */
            refresh_expires_at: string;
        };
        /** @description A request for a code, or with `otp` a sign-in. An empty `otp` or `name` counts as absent. */
        SignUp: {
            /**
             * @description International number with `+` and country code. National numbers are accepted if the server has a `DEFAULT_REGION`.
             * @example +14155550100
             */
            phone_number: string;
            /**
             * @description SMS Retriever hash of the Android app that reads the code, one of those this server is configured with. The SMS then ends with it. A resend keeps it. Default: the SMS ends with the line for browsers, if the server has a website, or with its first hash.
             * @example FA+9qCX9VSu
             */
            app_hash?: string | null;
            /**
             * @description Name of the user. Used if this sign-in creates the account. Printable characters, without a web address.
             * @example Ada
             */
            name?: string | null;
            /**
             * @description The code from the message. Leave it out to request one.
             * @example 407918
             */
            otp?: string | null;
            /**
             * @description The `device_token` of an earlier sign-in with this number. Takes precedence over the cookie `latchkey_device`. Guesses and messages of other people do not slow a known device down.
             * @example pJ0Xv2mQk1uZc8dY5rT3wAGbQ0l3WfYk2m8s9q7e6d5c4b3a291807f6e5d4c3b2a1908070605
             */
            device_token?: string | null;
            /**
             * @description Solution of the `challenge` that came with `proof_of_work_required`: the Base64 of `{"challenge", "solution"}` as JSON.
             * @example eyJjaGFsbGVuZ2UiOnt9LCJzb2x1dGlvbiI6e319
             */
            altcha?: string | null;
            /**
             * @description Language of the message (BCP 47). Default: chosen by `Accept-Language`, then by the server's default or the country of the number.
             * @example en
             */
            locale?: string | null;
        };
        /** @description A person who has signed in with a phone number. */
        User: {
            /**
             * @description Identifies the user: a UUIDv7.
             * @example 0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e
             */
            id: string;
            /**
             * Format: date-time
             * @description When the account was created.
             * @example 2026-11-25T10:00:00.000Z
             */
            created_at: string;
            /**
             * @description Name from the sign-in that created the account, or the one that the user chose since.
             * @example Ada
             */
            name: string | null;
            /**
             * @description Language that the user chose (BCP 47).
             * @example en
             */
            locale: string | null;
            /**
             * @description The phone number in E.164 form.
             * @example +14155550100
             */
            phone_number: string;
            /** @description The avatar of the user, if there is one. */
            avatar: components["schemas"]["Avatar"] | null;
            /**
             * @description Number of changes, for optimistic locking.
             * @example 1
             */
            version: number;
        };
        /** @description The answer of a route that needs a session. */
        Protected: {
            /**
             * @description A sentence for people.
             * @example You are signed in
             */
            message: string;
            /** @description The user of the token. */
            user: components["schemas"]["User"];
            /** @description The same user as the answer of `/signup` has it, for clients of the Go server. */
            data: components["schemas"]["SignUpUser"];
        };
        /** @description A request for a code. */
        OpenVerification: {
            /**
             * @description International number with `+` and country code. National numbers are accepted if the server has a `DEFAULT_REGION`.
             * @example +14155550100
             */
            phone_number: string;
            /**
             * @description SMS Retriever hash of the Android app that reads the code, one of those this server is configured with. The SMS then ends with it. A resend keeps it. Default: the SMS ends with the line for browsers, if the server has a website, or with its first hash.
             * @example FA+9qCX9VSu
             */
            app_hash?: string | null;
            /**
             * @description Name of the user. Used if this sign-in creates the account. Printable characters, without a web address.
             * @example Ada
             */
            name?: string | null;
            /**
             * @description The `device_token` of an earlier sign-in with this number. Takes precedence over the cookie `latchkey_device`. Guesses and messages of other people do not slow a known device down.
             * @example pJ0Xv2mQk1uZc8dY5rT3wAGbQ0l3WfYk2m8s9q7e6d5c4b3a291807f6e5d4c3b2a1908070605
             */
            device_token?: string | null;
            /**
             * @description Solution of the `challenge` that came with `proof_of_work_required`: the Base64 of `{"challenge", "solution"}` as JSON.
             * @example eyJjaGFsbGVuZ2UiOnt9LCJzb2x1dGlvbiI6e319
             */
            altcha?: string | null;
            /**
             * @description Channel that carries the code, one of those this server has a provider for. Default: the channel of the previous message on a resend, otherwise the server's first channel.
             * @example sms
             * @enum {string|null}
             */
            channel?: "sms" | "whatsapp" | "call" | null;
            /**
             * @description Language of the message (BCP 47). Default: chosen by `Accept-Language`, then by the server's default or the country of the number.
             * @example en
             */
            locale?: string | null;
            /**
             * @description `sign_in`: the code signs its user in. `verify`: the code proves the number to the client that requests it, without an account; this needs the credentials of a client. Default: `sign_in`.
             * @example sign_in
             * @enum {string|null}
             */
            purpose?: "sign_in" | "verify" | null;
            /**
             * @description The IP address of the user, as the client (a backend) sees it. The limits and the abuse policy then count this address. Needs the credentials of a client; without it the request counts for the client.
             * @example 203.0.113.7
             */
            client_address?: string | null;
        };
        /** @description Delivery of the newest message. */
        Delivery: {
            /**
             * @description Why the message did not arrive. `invalid_number`: the number does not exist, or cannot receive such messages. `unreachable`: the phone is off or out of coverage. `blocked`: the carrier or the recipient blocks such messages. `provider`: an error of the provider, or of this server's account there.
             * @example null
             * @enum {string|null}
             */
            reason: "provider" | "invalid_number" | "unreachable" | "blocked" | null;
            /**
             * @description State of the newest message. `sent`: the provider accepted it. `undelivered` and `failed`: it did not arrive and is not retried.
             * @enum {string}
             */
            status: "sent" | "delivered" | "undelivered" | "failed" | "queued";
            /**
             * Format: date-time
             * @description When the delivery state last changed.
             * @example 2026-11-25T10:00:02.000Z
             */
            updated_at: string;
        };
        /** @description A phone number that is being verified. */
        Verification: {
            /**
             * @description Identifies the verification and gives access to it. Keep it on the device that requested the code.
             * @example q0b7ZnG2S1mXw9cY4rT5uA
             */
            id: string;
            /**
             * @description `pending`: the code can be checked. Every other state is final.
             * @enum {string}
             */
            status: "pending" | "canceled" | "approved" | "max_attempts_reached" | "expired";
            /**
             * @description The phone number in E.164 form.
             * @example +14155550100
             */
            phone_number: string;
            /**
             * @description Channel of the newest message.
             * @example sms
             */
            channel: string;
            /**
             * @description Number of digits. A code of 10 characters has letters and digits. Codes are longer while the number is under attack.
             * @example 6
             */
            code_length: number;
            /**
             * @description Remaining attempts to enter the code.
             * @example 5
             */
            attempts_left: number;
            /**
             * Format: date-time
             * @description When the code was requested.
             * @example 2026-11-25T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When the code expires.
             * @example 2026-11-25T10:05:00.000Z
             */
            expires_at: string;
            /**
             * Format: date-time
             * @description When the code can be requested again.
             * @example 2026-11-25T10:00:30.000Z
             */
            resend_at: string;
            /** @description Delivery of the newest message. */
            delivery: components["schemas"]["Delivery"];
        };
        /** @description A request to send the code again. */
        ResendVerification: {
            /**
             * @description The `device_token` of an earlier sign-in with this number. Takes precedence over the cookie `latchkey_device`. Guesses and messages of other people do not slow a known device down.
             * @example pJ0Xv2mQk1uZc8dY5rT3wAGbQ0l3WfYk2m8s9q7e6d5c4b3a291807f6e5d4c3b2a1908070605
             */
            device_token?: string | null;
            /**
             * @description Solution of the `challenge` that came with `proof_of_work_required`: the Base64 of `{"challenge", "solution"}` as JSON.
             * @example eyJjaGFsbGVuZ2UiOnt9LCJzb2x1dGlvbiI6e319
             */
            altcha?: string | null;
            /**
             * @description Channel that carries the code, one of those this server has a provider for. Default: the channel of the previous message on a resend, otherwise the server's first channel.
             * @example sms
             * @enum {string|null}
             */
            channel?: "sms" | "whatsapp" | "call" | null;
            /**
             * @description The IP address of the user, as the client (a backend) sees it. The limits and the abuse policy then count this address. Needs the credentials of a client; without it the request counts for the client.
             * @example 203.0.113.7
             */
            client_address?: string | null;
        };
        /** @description A session of a signed-in user. */
        Session: {
            /**
             * @description The bearer token. It cannot be read again later.
             * @example 7CJ5KQ2N3XW4EYAV6DZTLM5RUI
             */
            token: string;
            /**
             * @description The scheme to send the token with (RFC 6750).
             * @enum {string}
             */
            token_type: "Bearer";
            /**
             * Format: date-time
             * @description When the token expires.
             * @example 2026-11-27T10:00:00.000Z
             */
            expires_at: string;
            /**
             * @description Exchanges the session's tokens for new ones. Store it where only your app can read it. It cannot be read again later.
             * @example MF3H5Q2N3XW4EYAV6DZTLM5RUI
             */
            refresh_token: string;
            /**
             * Format: date-time
             * @description When the session ends, unless it is refreshed before.
             * @example 2026-12-25T10:00:00.000Z
             */
            refresh_expires_at: string;
            /**
             * @description Identifies the session in the list of sessions: a UUIDv7.
             * @example 0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a
             */
            session_id: string;
            /** @description True if this sign-in created the account. */
            is_new_user: boolean;
            /**
             * @description Store it on the device and send it with the next sign-in with this number. Browsers also get it as a cookie.
             * @example pJ0Xv2mQk1uZc8dY5rT3wAGbQ0l3WfYk2m8s9q7e6d5c4b3a291807f6e5d4c3b2a1908070605
             */
            device_token: string;
            /** @description The user who signed in. */
            user: components["schemas"]["User"];
        };
        /** @description A number that was verified for a client, without an account. */
        VerifiedNumber: {
            /**
             * @description The `id` of the verification.
             * @example q0b7ZnG2S1mXw9cY4rT5uA
             */
            id: string;
            /**
             * @description Always `approved`.
             * @enum {string}
             */
            status: "approved";
            /**
             * @description The phone number in E.164 form.
             * @example +14155550100
             */
            phone_number: string;
            /**
             * Format: date-time
             * @description When the right code was given.
             * @example 2026-11-25T10:00:20.000Z
             */
            verified_at: string;
            /**
             * @description A JWT that proves this to others, for five minutes: signed by ES256 with a key of `/.well-known/jwks.json`. `typ` is `verification+jwt`, `aud` the id of the client, `sub` the number and `jti` the `id` of the verification.
             * @example eyJhbGciOiJFUzI1NiIsInR5cCI6InZlcmlmaWNhdGlvbitqd3QifQ.e30.c2ln
             */
            proof: string;
        };
        /** @description The code, to sign in or to verify the number with. */
        CheckVerification: {
            /**
             * @description The code from the message. Spaces, hyphens and case are ignored.
             * @example 407918
             */
            code: string;
            /**
             * @description Name of the user. Used if this sign-in creates the account. Printable characters, without a web address.
             * @example Ada
             */
            name?: string | null;
            /**
             * @description The `device_token` of an earlier sign-in with this number. Takes precedence over the cookie `latchkey_device`. Guesses and messages of other people do not slow a known device down.
             * @example pJ0Xv2mQk1uZc8dY5rT3wAGbQ0l3WfYk2m8s9q7e6d5c4b3a291807f6e5d4c3b2a1908070605
             */
            device_token?: string | null;
            /**
             * @description The IP address of the user, as the client (a backend) sees it. The limits and the abuse policy then count this address. Needs the credentials of a client; without it the request counts for the client.
             * @example 203.0.113.7
             */
            client_address?: string | null;
        };
        /** @description The process runs. */
        Liveness: {
            /**
             * @description Always `ok`.
             * @example ok
             * @enum {string}
             */
            status: "ok";
        };
        /** @description The process can answer requests. */
        Readiness: {
            /**
             * @description Always `ok`.
             * @example ok
             * @enum {string}
             */
            status: "ok";
            /**
             * @description The state of each dependency by name.
             * @example {
             *       "postgres": {
             *         "status": "up",
             *         "responseTime": 1
             *       },
             *       "queue": {
             *         "status": "up",
             *         "responseTime": 1
             *       }
             *     }
             */
            dependencies: {
                [key: string]: unknown;
            };
        };
        /** @description Changes of the signed-in user. Absent members stay as they are. */
        ChangeMe: {
            /**
             * @description Name of the user. Used if this sign-in creates the account. Printable characters, without a web address.
             * @example Ada
             */
            name?: string | null;
            /**
             * @description Language of the message (BCP 47). Default: chosen by `Accept-Language`, then by the server's default or the country of the number.
             * @example en
             */
            locale?: string | null;
            /**
             * @description The `version` that the change is based on. Another version is answered with `version_conflict`. Default: that of `If-Match`; without either, the change is always made.
             * @example 1
             */
            version?: number | null;
        };
        /** @description A session as stored. */
        ExportedSession: {
            /**
             * @description Identifies the session: a UUIDv7.
             * @example 0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a
             */
            id: string;
            /**
             * Format: date-time
             * @description When the user signed in.
             * @example 2026-11-25T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When the session was last used. Updated at most once a minute.
             * @example 2026-11-25T12:30:00.000Z
             */
            last_used_at: string;
            /**
             * Format: date-time
             * @description When the session expires or expired.
             * @example 2026-12-25T10:00:00.000Z
             */
            expires_at: string;
            /**
             * Format: date-time
             * @description When the session was ended; null if it was not.
             */
            ended_at: string | null;
            /**
             * @description Why the session was ended.
             * @example signed_out
             */
            end_reason: string | null;
            /**
             * @description IP address of the sign-in.
             * @example 203.0.113.7
             */
            address: string | null;
            /**
             * @description `User-Agent` header of the sign-in.
             * @example Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0
             */
            user_agent: string | null;
            /**
             * @description Browser and operating system, read from the user agent.
             * @example Firefox on Linux
             */
            label: string | null;
            /**
             * @description Channel that carried the code.
             * @example sms
             */
            method: string;
        };
        /** @description A verification as stored. It is deleted about an hour after it expires. */
        ExportedVerification: {
            /**
             * @description State of the verification.
             * @enum {string}
             */
            status: "pending" | "canceled" | "approved" | "max_attempts_reached" | "expired";
            /**
             * @description Name that was sent with the request.
             * @example Ada
             */
            name: string | null;
            /**
             * @description Language of the message (BCP 47).
             * @example en
             */
            locale: string | null;
            /**
             * @description Channel of the newest message.
             * @example sms
             */
            channel: string;
            /**
             * Format: date-time
             * @description When the code was requested.
             * @example 2026-11-25T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When the code expires or expired.
             * @example 2026-11-25T10:05:00.000Z
             */
            expires_at: string;
            /** @description Delivery of the newest message. */
            delivery: components["schemas"]["Delivery"];
        };
        /** @description A security event of the user. */
        ExportedEvent: {
            /**
             * Format: date-time
             * @description When it happened.
             * @example 2026-11-25T10:00:00.000Z
             */
            at: string;
            /**
             * @description The event.
             * @example signed_in
             */
            kind: string;
            /**
             * @description The session that it is about.
             * @example 0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a
             */
            session_id: string | null;
            /**
             * @description The phone number of a sign-in or a change of number as it was then, masked.
             * @example +14*******00
             */
            number: string | null;
            /**
             * @description IP address of the client whose request caused it.
             * @example 203.0.113.7
             */
            address: string | null;
        };
        /** @description All that is stored about the signed-in user, without secrets. */
        AccountExport: {
            /** @description The user. */
            user: components["schemas"]["User"];
            /**
             * Format: date-time
             * @description When the account was last used. Updated at most once a day.
             * @example 2026-11-25T12:30:00.000Z
             */
            last_used_at: string | null;
            /** @description The sessions, newest first: also ended ones, until they would have expired. */
            sessions: components["schemas"]["ExportedSession"][];
            /** @description The verifications of the number, newest first. */
            verifications: components["schemas"]["ExportedVerification"][];
            /** @description The security events, newest first. */
            events: components["schemas"]["ExportedEvent"][];
        };
        /** @description A request to move the account to another phone number. */
        ChangePhoneNumber: {
            /**
             * @description International number with `+` and country code. National numbers are accepted if the server has a `DEFAULT_REGION`.
             * @example +14155550100
             */
            phone_number: string;
            /**
             * @description SMS Retriever hash of the Android app that reads the code, one of those this server is configured with. The SMS then ends with it. A resend keeps it. Default: the SMS ends with the line for browsers, if the server has a website, or with its first hash.
             * @example FA+9qCX9VSu
             */
            app_hash?: string | null;
            /**
             * @description The `device_token` of an earlier sign-in with this number. Takes precedence over the cookie `latchkey_device`. Guesses and messages of other people do not slow a known device down.
             * @example pJ0Xv2mQk1uZc8dY5rT3wAGbQ0l3WfYk2m8s9q7e6d5c4b3a291807f6e5d4c3b2a1908070605
             */
            device_token?: string | null;
            /**
             * @description Solution of the `challenge` that came with `proof_of_work_required`: the Base64 of `{"challenge", "solution"}` as JSON.
             * @example eyJjaGFsbGVuZ2UiOnt9LCJzb2x1dGlvbiI6e319
             */
            altcha?: string | null;
            /**
             * @description Channel that carries the code, one of those this server has a provider for. Default: the channel of the previous message on a resend, otherwise the server's first channel.
             * @example sms
             * @enum {string|null}
             */
            channel?: "sms" | "whatsapp" | "call" | null;
            /**
             * @description Language of the message (BCP 47). Default: chosen by `Accept-Language`, then by the server's default or the country of the number.
             * @example en
             */
            locale?: string | null;
        };
        /** @description A refresh token. */
        Refresh: {
            /**
             * @description The `refresh_token` of a sign-in or of the last refresh.
             * @example MF3H5Q2N3XW4EYAV6DZTLM5RUI
             */
            refresh_token: string;
        };
        /** @description A session with new tokens. */
        RefreshedSession: {
            /**
             * @description The bearer token. It cannot be read again later.
             * @example 7CJ5KQ2N3XW4EYAV6DZTLM5RUI
             */
            token: string;
            /**
             * @description The scheme to send the token with (RFC 6750).
             * @enum {string}
             */
            token_type: "Bearer";
            /**
             * Format: date-time
             * @description When the token expires.
             * @example 2026-11-27T10:00:00.000Z
             */
            expires_at: string;
            /**
             * @description Exchanges the session's tokens for new ones. Store it where only your app can read it. It cannot be read again later.
             * @example MF3H5Q2N3XW4EYAV6DZTLM5RUI
             */
            refresh_token: string;
            /**
             * Format: date-time
             * @description When the session ends, unless it is refreshed before.
             * @example 2026-12-25T10:00:00.000Z
             */
            refresh_expires_at: string;
            /**
             * @description Identifies the session in the list of sessions: a UUIDv7.
             * @example 0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a
             */
            session_id: string;
            /** @description The user who signed in. */
            user: components["schemas"]["User"];
        };
        /** @description The audience of a signed token. */
        RequestSignedToken: {
            /**
             * @description The service that the signed token is for, one of `JWT_AUDIENCES`. Default: the first of them, or the address of this server.
             * @example https://sign-in.example.org
             */
            audience?: string | null;
        };
        /** @description A signed access token (RFC 9068). */
        SignedToken: {
            /**
             * @description The token: a JWT of the type `at+jwt`, signed with ES256.
             * @example eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL3NpZ24taW4uZXhhbXBsZS5vcmcifQ.c2lnbmF0dXJl
             */
            token: string;
            /**
             * @description The scheme to send the token with (RFC 6750).
             * @enum {string}
             */
            token_type: "Bearer";
            /** @description The seconds until the token expires. */
            expires_in: number;
            /**
             * @description The scope of the token.
             * @example authentication
             */
            scope: string;
        };
        /** @description A session in the list of the user. */
        ListedSession: {
            /**
             * @description Identifies the session: a UUIDv7.
             * @example 0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a
             */
            id: string;
            /** @description True for the session of this request. */
            current: boolean;
            /**
             * Format: date-time
             * @description When the user signed in.
             * @example 2026-11-25T10:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When the session was last used. Updated at most once a minute.
             * @example 2026-11-25T12:30:00.000Z
             */
            last_used_at: string;
            /**
             * Format: date-time
             * @description When the session ends, unless it is refreshed before.
             * @example 2026-12-25T10:00:00.000Z
             */
            expires_at: string;
            /**
             * @description IP address of the sign-in.
             * @example 203.0.113.7
             */
            address: string | null;
            /**
             * @description `User-Agent` header of the sign-in.
             * @example Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0
             */
            user_agent: string | null;
            /**
             * @description Browser and operating system, read from the user agent.
             * @example Firefox on Linux
             */
            label: string | null;
            /**
             * @description Channel that carried the code. `otp` for a session that is older than this list.
             * @example sms
             */
            method: string;
        };
        /** @description Part of the sessions of a user, newest first. */
        SessionList: {
            /** @description The sessions. */
            items: components["schemas"]["ListedSession"][];
            /**
             * @description Send it as `cursor` to get the next part. Null on the last one.
             * @example 0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a
             */
            next_cursor: string | null;
        };
        /** @description A public key of signed tokens (RFC 7517). */
        PublicKey: {
            /**
             * @description The type of the key.
             * @example EC
             */
            kty?: string;
            /**
             * @description The curve.
             * @example P-256
             */
            crv?: string;
            /**
             * @description The x coordinate.
             * @example f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU
             */
            x?: string;
            /**
             * @description The y coordinate.
             * @example x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0
             */
            y?: string;
            /**
             * @description The id that the header of a token names.
             * @example cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s
             */
            kid?: string;
            /**
             * @description The algorithm of the signature.
             * @example ES256
             */
            alg?: string;
            /**
             * @description The use of the key.
             * @example sig
             */
            use?: string;
        };
        /** @description The public keys of signed tokens. */
        PublicKeys: {
            /** @description The key that signs, the next one, and those of tokens that may still be valid. */
            keys: components["schemas"]["PublicKey"][];
        };
        /** @description Metadata of this server (RFC 8414). */
        ServerMetadata: {
            /**
             * @description The claim `iss` of signed tokens.
             * @example https://sign-in.example.org
             */
            issuer: string;
            /**
             * @description The public keys of signed tokens.
             * @example https://sign-in.example.org/.well-known/jwks.json
             */
            jwks_uri: string;
            /** @description The scopes of tokens. */
            scopes_supported: string[];
            /** @description None: there is no authorization endpoint. */
            response_types_supported: string[];
            /** @description None: there is no token endpoint. */
            grant_types_supported: string[];
            /**
             * @description Where other services ask about a token (RFC 7662), if there are clients.
             * @example https://sign-in.example.org/oauth/introspect
             */
            introspection_endpoint?: string;
            /** @description The methods that clients authenticate with there. */
            introspection_endpoint_auth_methods_supported?: string[];
            /**
             * @description Where other services end the session of a token (RFC 7009), if there are clients.
             * @example https://sign-in.example.org/oauth/revoke
             */
            revocation_endpoint?: string;
            /** @description The methods that clients authenticate with there. */
            revocation_endpoint_auth_methods_supported?: string[];
            /**
             * @description Documentation for developers.
             * @example https://sign-in.example.org/docs
             */
            service_documentation?: string;
        };
        /** @description A scope that the SMS-abuse breaker blocks. */
        Block: {
            /**
             * @description The blocked scope: its kind and its value.
             * @example numbers_10k:+1415555
             */
            id: string;
            /**
             * @description `block`: no messages are sent. `step_up`: requests for messages need a proof of work.
             * @enum {string}
             */
            action: "step_up" | "block";
            /**
             * Format: date-time
             * @description When the block began.
             * @example 2026-11-25T10:00:00.000Z
             */
            since: string;
            /**
             * Format: date-time
             * @description When the block ends.
             * @example 2026-11-25T11:00:00.000Z
             */
            until: string;
        };
        /** @description The active blocks. */
        Blocks: {
            /** @description The active blocks. */
            blocks: components["schemas"]["Block"][];
        };
        /** @description A number to look up. */
        LookUpNumber: {
            /**
             * @description International number with `+` and country code. National numbers are accepted if the server has a `DEFAULT_REGION`.
             * @example +14155550100
             */
            phone_number: string;
        };
        /** @description The account of a number. */
        NumberAccount: {
            /**
             * @description Identifies the user: a UUIDv7.
             * @example 01890a5d-ac96-774b-bcce-b302099a8057
             */
            id: string;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
        };
        /** @description Delivery of a message. */
        NumberDelivery: {
            /**
             * @description Channel of the message.
             * @example sms
             */
            channel: string;
            /**
             * @description Message provider.
             * @example twilio
             */
            provider: string;
            /**
             * @description `accepted`: the provider has the message and will report further states. `sent`: it may report nothing more.
             * @enum {string}
             */
            status: "accepted" | "sent" | "delivered" | "undelivered" | "failed" | "queued";
            /**
             * @description Why the message did not arrive.
             * @example unreachable
             */
            reason: string | null;
            /**
             * @description The provider's id of the message, to search for in its console.
             * @example SM00000000000000000000000000000001
             */
            provider_id: string | null;
            /** @description True if the code fell back to this route. */
            fell_back: boolean;
            /** @description True if the message was sent once more by the same route. */
            retried: boolean;
            /**
             * Format: date-time
             * @description When the message was requested.
             */
            requested_at: string;
            /**
             * Format: date-time
             * @description When the delivery state last changed.
             */
            updated_at: string;
        };
        /** @description A verification of the number. */
        NumberVerification: {
            /**
             * @description The first eight characters of the verification's id. Log lines have them as `verification`. They give no access to it.
             * @example q0b7ZnG2
             */
            reference: string;
            /**
             * @description `sign_up`: requested by `POST /signup`.
             * @enum {string}
             */
            purpose: "sign_up" | "sign_in" | "change_number" | "verify";
            /**
             * @description `pending`: the verification is open.
             * @enum {string}
             */
            status: "pending" | "canceled" | "approved" | "max_attempts_reached" | "expired";
            /** @description True if a device requested it that had signed in on this number before. */
            known_device: boolean;
            /**
             * @description Messages so far, with resends, retries and fallbacks.
             * @example 1
             */
            messages: number;
            /**
             * @description Of several clients of a sign-up, the one with the fewest.
             * @example 5
             */
            attempts_left: number;
            /**
             * @description Number of characters of the code.
             * @example 6
             */
            code_length: number;
            /**
             * Format: date-time
             * @description When it was created.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When the code expires.
             */
            expires_at: string;
            /**
             * Format: date-time
             * @description When the code can be requested again.
             */
            resend_at: string;
            /** @description The delivery of the newest message. */
            delivery: components["schemas"]["NumberDelivery"];
        };
        /** @description A limit of the number. */
        NumberLimit: {
            /**
             * @description Name of the limit.
             * @enum {string}
             */
            name: "cool_down" | "sends_per_number";
            /**
             * @description Known devices have limits of their own.
             * @enum {string}
             */
            devices: "unknown" | "known";
            /**
             * @description Messages that count against the limit.
             * @example 1
             */
            used: number;
            /**
             * @description Messages that the limit allows.
             * @example 5
             */
            points: number;
            /** @description True: no message is sent before `resets_at`. */
            reached: boolean;
            /**
             * Format: date-time
             * @description When the limit resets.
             */
            resets_at: string;
            /** @description False: the limit only records what it would refuse (`LIMIT_MODE`). */
            enforced: boolean;
        };
        /** @description The guess policy of the number. */
        NumberGuessing: {
            /**
             * @description Length of the next code of an unknown device. Longer than usual while the number or its country is under attack.
             * @example 6
             */
            code_length: number;
            /**
             * @description Guesses of the last year that count against the number.
             * @example 0
             */
            guesses: number;
            /**
             * Format: date-time
             * @description Unknown devices have to wait until then before their next guess.
             */
            wait_until: string | null;
            /** @description False: waits are only recorded (`LIMIT_MODE`). */
            enforced: boolean;
        };
        /** @description A route by which the number could not be reached. */
        BadRoute: {
            /**
             * @description Channel of the message.
             * @example sms
             */
            channel: string;
            /**
             * @description Message provider.
             * @example twilio
             */
            provider: string;
            /**
             * @description Why the number could not be reached.
             * @example invalid_number
             */
            reason: string;
            /**
             * @description The provider's error code.
             * @example 21614
             */
            code: string;
            /**
             * Format: date-time
             * @description When the route is used again.
             */
            until: string;
        };
        /** @description Spending and its cap. */
        Spent: {
            /**
             * Format: double
             * @description Amount spent, in the currency of the price table.
             * @example 1.25
             */
            spent: number;
            /**
             * Format: double
             * @description The most that may be spent.
             * @example 50
             */
            cap: number;
        };
        /** @description A channel and its provider. */
        NumberRoute: {
            /**
             * @description Channel of the message.
             * @example sms
             */
            channel: string;
            /**
             * @description Message provider.
             * @example twilio
             */
            provider: string;
        };
        /** @description Spending of the day. */
        NumberSpending: {
            /**
             * @description The day (UTC) that the amounts are of.
             * @example 2027-01-31
             */
            day: string;
            /** @description On messages to the country of the number. */
            country: components["schemas"]["Spent"];
            /** @description On all messages. */
            total: components["schemas"]["Spent"];
            /** @description Routes whose provider refused the country within the last minutes. */
            not_served_by: components["schemas"]["NumberRoute"][];
        };
        /** @description State of a phone number. */
        NumberReport: {
            /**
             * @description The number as it was read.
             * @example +14155550100
             */
            phone_number: string;
            /**
             * @description The keyed hash of the number. Log lines about it have it as `number_hash`.
             * @example Zk3b1oV5b0m0f0T5a9cQ7xJ2yL8nR4sW6uE1iH3gD0A
             */
            number_hash: string;
            /**
             * @description Country of the number.
             * @example US
             */
            country: string;
            /**
             * @description `fixed`: receives calls only. `other`: premium-rate and special numbers, which get no messages.
             * @enum {string}
             */
            line: "fixed" | "other" | "mobile";
            /** @description False: `ALLOWED_COUNTRIES` excludes the country. */
            country_allowed: boolean;
            /** @description True: the number gets no messages, and its code is configured. */
            test_number: boolean;
            /** @description The account with this number. */
            user: components["schemas"]["NumberAccount"] | null;
            /** @description The newest 20 that are kept, newest first. They are kept until one hour after their code expired. */
            verifications: components["schemas"]["NumberVerification"][];
            /** @description The limits of the number that are in use. */
            limits: components["schemas"]["NumberLimit"][];
            /** @description The guess policy of the number. */
            guessing: components["schemas"]["NumberGuessing"];
            /** @description True: unknown devices need a proof of work for their next message, because earlier ones led to no sign-in. */
            contested: boolean;
            /** @description False: `contested` and `blocks` are only recorded (`BREAKER_MODE`). */
            breaker_enforced: boolean;
            /** @description Blocks of the number's ranges and country, and of all messages. */
            blocks: components["schemas"]["Block"][];
            /** @description Routes by which the number gets no messages of unknown devices, because it could not be reached. */
            bad_routes: components["schemas"]["BadRoute"][];
            /** @description Spending of the day. */
            spending: components["schemas"]["NumberSpending"];
        };
        /** @description An error of OAuth (RFC 6749, section 5.2). */
        OAuthError: {
            /**
             * @description The error.
             * @example invalid_client
             */
            error: string;
            /**
             * @description The cause, for developers.
             * @example send the id and the secret of a client by HTTP Basic
             */
            error_description: string;
            /**
             * @description A page about the problem.
             * @example https://sign-in.example.org/problems/invalid_client
             */
            error_uri: string;
        };
        /** @description The state of a token (RFC 7662, section 2.2). Only `active` is sent for a token that is not valid. */
        Introspection: {
            /** @description True if the token is valid now. */
            active: boolean;
            /**
             * @description The scheme to send the token with (RFC 6750).
             * @enum {string}
             */
            token_type?: "Bearer";
            /**
             * @description The scope of the token.
             * @example authentication
             */
            scope?: string;
            /**
             * @description The `id` of the user.
             * @example 0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a
             */
            sub?: string;
            /**
             * @description The `id` of the session. Not sent for a token that is older than sessions.
             * @example 0197f0c4-7b11-7d2a-8c3e-1f2e3d4c5b6a
             */
            sid?: string;
            /** @description When the token was issued, in seconds since 1970. */
            iat?: number;
            /** @description When the token expires, in seconds since 1970. */
            exp?: number;
        };
        /** @description An error of Twilio Verify. */
        TwilioError: {
            /**
             * @description The code of Twilio's error.
             * @example 60200
             */
            code: number;
            /**
             * @description The cause, for developers.
             * @example Invalid parameter: the phone number is not valid: must be an international phone number, such as +14155550100
             */
            message: string;
            /**
             * @description A page about the problem.
             * @example https://id.example.com/problems/invalid_request
             */
            more_info: string;
            /**
             * @description The status of the answer.
             * @example 400
             */
            status: number;
        };
        /** @description A message of a verification, in the form of Twilio Verify. */
        SendCodeAttempt: {
            /**
             * @description Identifies the message.
             * @example VL00112233445566778899aabbccddeeff
             */
            attempt_sid: string;
            /**
             * @description The channel of the message.
             * @example sms
             */
            channel: string;
            /**
             * @description When the verification was created.
             * @example 2026-11-25T10:00:00Z
             */
            time: string;
        };
        /** @description A verification, in the form of Twilio Verify. */
        TwilioVerification: {
            /** @description Always null. */
            amount: null;
            /** @description Always null. */
            payee: null;
            /**
             * @description Always empty.
             * @example {}
             */
            lookup: Record<string, never>;
            /** @description Always null. */
            sna: null;
            /** @description The newest message. */
            send_code_attempts: components["schemas"]["SendCodeAttempt"][];
            /**
             * @description The address of the verification.
             * @example https://id.example.com/v2/Services/VA00112233445566778899aabbccddeeff/Verifications/VE00112233445566778899aabbccddeeff
             */
            url: string;
            /**
             * @description The SID of the verification: its `id` as hexadecimal digits.
             * @example VE00112233445566778899aabbccddeeff
             */
            sid: string;
            /**
             * @description The SID of the service in the path. Every service is accepted.
             * @example VA00112233445566778899aabbccddeeff
             */
            service_sid: string;
            /**
             * @description The id of the client.
             * @example shop
             */
            account_sid: string;
            /**
             * @description The phone number in E.164 form.
             * @example +14155550100
             */
            to: string;
            /**
             * @description The channel of the newest message.
             * @example sms
             */
            channel: string;
            /**
             * @description The state of the verification.
             * @example pending
             * @enum {string}
             */
            status: "pending" | "canceled" | "approved" | "max_attempts_reached" | "expired";
            /** @description True if the code was right. */
            valid: boolean;
            /**
             * @description When the code was requested.
             * @example 2026-11-25T10:00:00Z
             */
            date_created: string;
            /**
             * @description When the delivery last changed.
             * @example 2026-11-25T10:00:02Z
             */
            date_updated: string;
        };
        /** @description The check of a code, in the form of Twilio Verify. */
        TwilioVerificationCheck: {
            /** @description Always null. */
            amount: null;
            /** @description Always null. */
            payee: null;
            /**
             * @description Always empty.
             * @example []
             */
            sna_attempts_error_codes: string[];
            /**
             * @description The SID of the verification: its `id` as hexadecimal digits.
             * @example VE00112233445566778899aabbccddeeff
             */
            sid: string;
            /**
             * @description The SID of the service in the path. Every service is accepted.
             * @example VA00112233445566778899aabbccddeeff
             */
            service_sid: string;
            /**
             * @description The id of the client.
             * @example shop
             */
            account_sid: string;
            /**
             * @description The phone number in E.164 form.
             * @example +14155550100
             */
            to: string;
            /**
             * @description The channel of the newest message.
             * @example sms
             */
            channel: string;
            /**
             * @description The state of the verification.
             * @example pending
             * @enum {string}
             */
            status: "pending" | "canceled" | "approved" | "max_attempts_reached" | "expired";
            /** @description True if the code was right. */
            valid: boolean;
            /**
             * @description When the code was requested.
             * @example 2026-11-25T10:00:00Z
             */
            date_created: string;
            /**
             * @description When the delivery last changed.
             * @example 2026-11-25T10:00:02Z
             */
            date_updated: string;
        };
    };
    responses: {
        /** @description `invalid_request`: The request is not valid */
        SignUpInvalidRequest: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `code_rejected`: The code is wrong or no longer valid
         *     `invalid_token`: The token is not valid
         */
        SignUpCodeRejectedOrInvalidToken: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `number_recycled`: The number may belong to another person now
         *     `proof_of_work_required`: Proof of work is required
         */
        SignUpNumberRecycledOrProofOfWorkRequired: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `payload_too_large`: The request body is too large */
        SignUpPayloadTooLarge: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `unsupported_media_type`: The content type is not supported */
        SignUpUnsupportedMediaType: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `phone_number_not_allowed`: This phone number is not supported */
        SignUpPhoneNumberNotAllowed: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `rate_limited`: Too many requests
         *     `sends_suspended`: Messages to this number are suspended
         */
        SignUpRateLimitedOrSendsSuspended: {
            headers: {
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `internal_error`: Internal server error */
        SignUpInternalError: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `unavailable`: The service is temporarily unavailable */
        SignUpUnavailable: {
            headers: {
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `invalid_request`: The request is not valid */
        ProtectedMalformedRequest: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `unauthenticated`: Authentication is required
         *     `invalid_token`: The token is not valid
         */
        ProtectedUnauthenticatedOrInvalidToken: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `insufficient_scope`: The token has another scope */
        ProtectedInsufficientScope: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `internal_error`: Internal server error */
        ProtectedInternalError: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `unavailable`: The service is temporarily unavailable */
        ProtectedUnavailable: {
            headers: {
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `invalid_request`: The request is not valid */
        InvalidRequest: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `invalid_client`: The client is not known */
        InvalidClient: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `proof_of_work_required`: Proof of work is required */
        ProofOfWorkRequired: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `payload_too_large`: The request body is too large */
        PayloadTooLarge: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `unsupported_media_type`: The content type is not supported */
        UnsupportedMediaType: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `phone_number_not_allowed`: This phone number is not supported */
        PhoneNumberNotAllowed: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `rate_limited`: Too many requests
         *     `sends_suspended`: Messages to this number are suspended
         */
        RateLimitedOrSendsSuspended: {
            headers: {
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `internal_error`: Internal server error */
        InternalError: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `unavailable`: The service is temporarily unavailable */
        Unavailable: {
            headers: {
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `invalid_request`: The request is not valid */
        MalformedRequest: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `not_found`: Not found */
        NotFound: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `verification_closed`: The verification is closed */
        VerificationClosed: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `code_rejected`: The code is wrong or no longer valid
         *     `unauthenticated`: Authentication is required
         *     `invalid_client`: The client is not known
         *     `invalid_token`: The token is not valid
         */
        CodeRejectedOrUnauthenticatedOrInvalidClientOrInvalidToken: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `insufficient_scope`: The token has another scope
         *     `number_recycled`: The number may belong to another person now
         *     `cross_site_request`: The request comes from another site
         */
        InsufficientScopeOrNumberRecycledOrCrossSiteRequest: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `rate_limited`: Too many requests */
        RateLimited: {
            headers: {
                "Retry-After": components["headers"]["Retry-After"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `unauthenticated`: Authentication is required
         *     `invalid_token`: The token is not valid
         */
        UnauthenticatedOrInvalidToken: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `insufficient_scope`: The token has another scope
         *     `cross_site_request`: The request comes from another site
         */
        InsufficientScopeOrCrossSiteRequest: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `insufficient_scope`: The token has another scope */
        InsufficientScope: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `version_conflict`: The resource has changed */
        VersionConflict: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `insufficient_scope`: The token has another scope
         *     `cross_site_request`: The request comes from another site
         *     `recent_sign_in_required`: A recent sign-in is required
         */
        InsufficientScopeOrCrossSiteRequestOrRecentSignInRequired: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description `insufficient_scope`: The token has another scope
         *     `cross_site_request`: The request comes from another site
         *     `recent_sign_in_required`: A recent sign-in is required
         *     `proof_of_work_required`: Proof of work is required
         */
        InsufficientScopeOrCrossSiteRequestOrRecentSignInRequiredOrProofOfWorkRequired: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `image_rejected`: The image cannot be used */
        ImageRejected: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `invalid_token`: The token is not valid */
        InvalidToken: {
            headers: {
                "WWW-Authenticate": components["headers"]["WWW-Authenticate"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: {
        /** @description Identifies the request in the logs. Taken from the request if it has 1 to 64 letters, digits and `-._~`. */
        "X-Request-Id": string;
        /** @description Responses must not be cached. */
        "Cache-Control": string;
        /** @description Responses depend on the bearer token and, if pages of other origins are allowed, on the origin. */
        Vary: string;
        /** @description How to authenticate (RFC 6750, section 3). Not sent with `code_rejected`. */
        "WWW-Authenticate": string;
        /** @description Seconds to wait before a retry. */
        "Retry-After": number;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    signUp: {
        parameters: {
            query?: never;
            header?: {
                /** @description A unique value, such as a UUID, that makes it safe to repeat the request when its answer was lost. Within a minute the same request with the same key and the same credentials, from the same device or address, gets the same answer: no second message is sent, and no second session is created. An error is not repeated. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignUp"];
            };
        };
        responses: {
            /** @description The code was sent or, with `otp`, the user is signed in. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CodeSent"] | components["schemas"]["SignedUp"];
                };
            };
            400: components["responses"]["SignUpInvalidRequest"];
            401: components["responses"]["SignUpCodeRejectedOrInvalidToken"];
            403: components["responses"]["SignUpNumberRecycledOrProofOfWorkRequired"];
            413: components["responses"]["SignUpPayloadTooLarge"];
            415: components["responses"]["SignUpUnsupportedMediaType"];
            422: components["responses"]["SignUpPhoneNumberNotAllowed"];
            429: components["responses"]["SignUpRateLimitedOrSendsSuspended"];
            500: components["responses"]["SignUpInternalError"];
            503: components["responses"]["SignUpUnavailable"];
        };
    };
    getProtected: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Protected"];
                };
            };
            400: components["responses"]["ProtectedMalformedRequest"];
            401: components["responses"]["ProtectedUnauthenticatedOrInvalidToken"];
            403: components["responses"]["ProtectedInsufficientScope"];
            500: components["responses"]["ProtectedInternalError"];
            503: components["responses"]["ProtectedUnavailable"];
        };
    };
    requestCode: {
        parameters: {
            query?: never;
            header?: {
                /** @description A unique value, such as a UUID, that makes it safe to repeat the request when its answer was lost. Within a minute the same request with the same key and the same credentials, from the same device or address, gets the same answer: no second message is sent, and no second session is created. An error is not repeated. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OpenVerification"];
            };
        };
        responses: {
            /** @description The code is being sent. */
            202: {
                headers: {
                    /** @description The path of the new resource. */
                    Location?: string;
                    /** @description Identifies this state of the resource. */
                    ETag?: string;
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["InvalidClient"];
            403: components["responses"]["ProofOfWorkRequired"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["PhoneNumberNotAllowed"];
            429: components["responses"]["RateLimitedOrSendsSuspended"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getVerification: {
        parameters: {
            query?: {
                /** @description Seconds to wait for a change. */
                wait?: number;
            };
            header?: {
                /** @description The `ETag` of an earlier answer. */
                "If-None-Match"?: string;
            };
            path: {
                /** @description The `id` of the verification. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The verification. */
            200: {
                headers: {
                    /** @description Identifies this state of the resource. */
                    ETag?: string;
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            /** @description Nothing has changed since the answer with this `ETag`. */
            304: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            404: components["responses"]["NotFound"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    cancelVerification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `id` of the verification. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The verification is canceled. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            404: components["responses"]["NotFound"];
            410: components["responses"]["VerificationClosed"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    resendCode: {
        parameters: {
            query?: never;
            header?: {
                /** @description A unique value, such as a UUID, that makes it safe to repeat the request when its answer was lost. Within a minute the same request with the same key and the same credentials, from the same device or address, gets the same answer: no second message is sent, and no second session is created. An error is not repeated. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The `id` of the verification. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["ResendVerification"];
            };
        };
        responses: {
            /** @description The code is being sent again. */
            202: {
                headers: {
                    /** @description Identifies this state of the resource. */
                    ETag?: string;
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["InvalidClient"];
            403: components["responses"]["ProofOfWorkRequired"];
            404: components["responses"]["NotFound"];
            410: components["responses"]["VerificationClosed"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["PhoneNumberNotAllowed"];
            429: components["responses"]["RateLimitedOrSendsSuspended"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    checkCode: {
        parameters: {
            query?: never;
            header?: {
                /** @description A unique value, such as a UUID, that makes it safe to repeat the request when its answer was lost. Within a minute the same request with the same key and the same credentials, from the same device or address, gets the same answer: no second message is sent, and no second session is created. An error is not repeated. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The `id` of the verification. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CheckVerification"];
            };
        };
        responses: {
            /** @description The user is signed in or, with the purpose `verify`, the number is verified. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"] | components["schemas"]["VerifiedNumber"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["CodeRejectedOrUnauthenticatedOrInvalidClientOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrNumberRecycledOrCrossSiteRequest"];
            404: components["responses"]["NotFound"];
            410: components["responses"]["VerificationClosed"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getLiveness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process runs. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Liveness"];
                };
            };
            400: components["responses"]["MalformedRequest"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every dependency works. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            400: components["responses"]["MalformedRequest"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    revokeDevices: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The device tokens are revoked. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrCrossSiteRequest"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getMe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user. */
            200: {
                headers: {
                    /** @description The `version` of the user. */
                    ETag?: string;
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScope"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteMe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The account is deleted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrCrossSiteRequestOrRecentSignInRequired"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    changeMe: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of an answer with the user. */
                "If-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangeMe"];
            };
        };
        responses: {
            /** @description The changed user. */
            200: {
                headers: {
                    /** @description The `version` of the user. */
                    ETag?: string;
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrCrossSiteRequest"];
            409: components["responses"]["VersionConflict"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    exportMe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stored data. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AccountExport"];
                };
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScope"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    changePhoneNumber: {
        parameters: {
            query?: never;
            header?: {
                /** @description A unique value, such as a UUID, that makes it safe to repeat the request when its answer was lost. Within a minute the same request with the same key and the same credentials, from the same device or address, gets the same answer: no second message is sent, and no second session is created. An error is not repeated. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangePhoneNumber"];
            };
        };
        responses: {
            /** @description The code is being sent. */
            202: {
                headers: {
                    /** @description The path of the new resource. */
                    Location?: string;
                    /** @description Identifies this state of the resource. */
                    ETag?: string;
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verification"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrCrossSiteRequestOrRecentSignInRequiredOrProofOfWorkRequired"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["PhoneNumberNotAllowed"];
            429: components["responses"]["RateLimitedOrSendsSuspended"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    putAvatar: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": {
                    /** Format: binary */
                    file: string;
                };
                "image/*": {
                    /** Format: binary */
                    file: string;
                };
            };
        };
        responses: {
            /** @description The user with the new avatar. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrCrossSiteRequest"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["ImageRejected"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    deleteAvatar: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user has no avatar. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrCrossSiteRequest"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getAvatar: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The hash of the image, with the ending `.webp`. */
                file: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The image. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "image/webp": string;
                };
            };
            /** @description The client has the image. */
            304: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            404: components["responses"]["NotFound"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    refreshSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Refresh"];
            };
        };
        responses: {
            /** @description The session has new tokens. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RefreshedSession"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["InvalidToken"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            429: components["responses"]["RateLimited"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    verifySession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request has a valid token. */
            204: {
                headers: {
                    /** @description The `id` of the user. */
                    "X-User-Id"?: string;
                    /** @description The `id` of the session. Not sent for a token that is older than sessions. */
                    "X-Session-Id"?: string;
                    /** @description The phone number of the user in E.164 form, if `FORWARD_PHONE` is on. */
                    "X-User-Phone"?: string;
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScope"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    signToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": components["schemas"]["RequestSignedToken"];
            };
        };
        responses: {
            /** @description The signed token. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedToken"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrCrossSiteRequest"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    signOut: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session has ended. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrCrossSiteRequest"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listSessions: {
        parameters: {
            query?: {
                /** @description The most sessions to return. Default: 50. */
                limit?: number;
                /** @description The `next_cursor` of the answer before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sessions. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionList"];
                };
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScope"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    endSessions: {
        parameters: {
            query?: {
                /** @description `current`: the session of this request ends, too. */
                include?: "current";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The sessions have ended. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrCrossSiteRequest"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    endSession: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `id` of the session. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session has ended. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            403: components["responses"]["InsufficientScopeOrCrossSiteRequest"];
            404: components["responses"]["NotFound"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getPublicKeys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The keys. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PublicKeys"];
                };
            };
            400: components["responses"]["MalformedRequest"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    getServerMetadata: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The metadata. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServerMetadata"];
                };
            };
            400: components["responses"]["MalformedRequest"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    listBlocks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The active blocks. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Blocks"];
                };
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    liftAllBlocks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The blocks are lifted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    liftBlock: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `id` of the block. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The block is lifted. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["MalformedRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            404: components["responses"]["NotFound"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    lookUpNumber: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LookUpNumber"];
            };
        };
        responses: {
            /** @description The state of the number. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NumberReport"];
                };
            };
            400: components["responses"]["InvalidRequest"];
            401: components["responses"]["UnauthenticatedOrInvalidToken"];
            413: components["responses"]["PayloadTooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            500: components["responses"]["InternalError"];
            503: components["responses"]["Unavailable"];
        };
    };
    introspectToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-www-form-urlencoded": {
                    /**
                     * @description The token.
                     * @example 7CJ5KQ2N3XW4EYAV6DZTLM5RUI
                     */
                    token: string;
                    /**
                     * @description Ignored: the form of the token is enough.
                     * @example access_token
                     */
                    token_type_hint?: string;
                };
            };
        };
        responses: {
            /** @description The state of the token. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Introspection"];
                };
            };
            /** @description The request is not valid */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description The client is not known */
            401: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description The request body is too large */
            413: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description The content type is not supported */
            415: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description Internal server error */
            500: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description The service is temporarily unavailable */
            503: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
        };
    };
    revokeToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-www-form-urlencoded": {
                    /**
                     * @description The token.
                     * @example 7CJ5KQ2N3XW4EYAV6DZTLM5RUI
                     */
                    token: string;
                    /**
                     * @description Ignored: the form of the token is enough.
                     * @example access_token
                     */
                    token_type_hint?: string;
                };
            };
        };
        responses: {
            /** @description The token is not valid any more. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request is not valid */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description The client is not known */
            401: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description The request body is too large */
            413: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description The content type is not supported */
            415: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description Internal server error */
            500: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
            /** @description The service is temporarily unavailable */
            503: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OAuthError"];
                };
            };
        };
    };
    startVerification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The SID of a service. Every text is accepted. */
                service: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-www-form-urlencoded": {
                    /**
                     * @description The phone number in E.164 form.
                     * @example +14155550100
                     */
                    To: string;
                    /**
                     * @description `sms`, `whatsapp`, `call`, or `auto` for the usual one.
                     * @example sms
                     */
                    Channel: string;
                    /**
                     * @description Language of the message (BCP 47).
                     * @example en
                     */
                    Locale?: string;
                    /**
                     * @description SMS Retriever hash of the Android app.
                     * @example FA+9qCX9VSu
                     */
                    AppHash?: string;
                    /**
                     * @description The IP address of the user, which the limits count.
                     * @example 203.0.113.7
                     */
                    DeviceIp?: string;
                };
            };
        };
        responses: {
            /** @description The code is being sent. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioVerification"];
                };
            };
            /** @description A parameter is missing or not valid (60200). */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The credentials of the client are missing or wrong (20003). */
            401: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The destination is blocked (60410) or not allowed (60605). */
            403: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description There is no such verification, or it is closed (20404). */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The form is too large (20413). */
            413: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The body is not a form (20415). */
            415: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description Too many messages (60203), checks of one code (60202) or requests (20429). */
            429: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description An unexpected error (20500). */
            500: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description A dependency does not respond (20503). */
            503: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
        };
    };
    checkVerification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The SID of a service. Every text is accepted. */
                service: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-www-form-urlencoded": {
                    /**
                     * @description The code that the user entered.
                     * @example 407918
                     */
                    Code: string;
                    /**
                     * @description The phone number, if there is no `VerificationSid`.
                     * @example +14155550100
                     */
                    To?: string;
                    /**
                     * @description The SID of the verification.
                     * @example VE00112233445566778899aabbccddeeff
                     */
                    VerificationSid?: string;
                    /**
                     * @description The IP address of the user, which the limits count.
                     * @example 203.0.113.7
                     */
                    DeviceIp?: string;
                };
            };
        };
        responses: {
            /** @description The result of the check. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioVerificationCheck"];
                };
            };
            /** @description A parameter is missing or not valid (60200). */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The credentials of the client are missing or wrong (20003). */
            401: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The destination is blocked (60410) or not allowed (60605). */
            403: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description There is no such verification, or it is closed (20404). */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The form is too large (20413). */
            413: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The body is not a form (20415). */
            415: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description Too many messages (60203), checks of one code (60202) or requests (20429). */
            429: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description An unexpected error (20500). */
            500: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description A dependency does not respond (20503). */
            503: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
        };
    };
    fetchVerification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The SID of a service. Every text is accepted. */
                service: string;
                /** @description The SID of the verification, or its phone number for the newest one. */
                verification: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The verification. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioVerification"];
                };
            };
            /** @description A parameter is missing or not valid (60200). */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The credentials of the client are missing or wrong (20003). */
            401: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The destination is blocked (60410) or not allowed (60605). */
            403: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description There is no such verification, or it is closed (20404). */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description Too many messages (60203), checks of one code (60202) or requests (20429). */
            429: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description An unexpected error (20500). */
            500: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description A dependency does not respond (20503). */
            503: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
        };
    };
    cancelVerificationBySid: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The SID of a service. Every text is accepted. */
                service: string;
                /** @description The SID of the verification, or its phone number for the newest one. */
                verification: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/x-www-form-urlencoded": {
                    /**
                     * @description Always `canceled`.
                     * @example canceled
                     */
                    Status: string;
                };
            };
        };
        responses: {
            /** @description The canceled verification. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioVerification"];
                };
            };
            /** @description A parameter is missing or not valid (60200). */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The credentials of the client are missing or wrong (20003). */
            401: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The destination is blocked (60410) or not allowed (60605). */
            403: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description There is no such verification, or it is closed (20404). */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The form is too large (20413). */
            413: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description The body is not a form (20415). */
            415: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description Too many messages (60203), checks of one code (60202) or requests (20429). */
            429: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description An unexpected error (20500). */
            500: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
            /** @description A dependency does not respond (20503). */
            503: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    "Cache-Control": components["headers"]["Cache-Control"];
                    Vary: components["headers"]["Vary"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TwilioError"];
                };
            };
        };
    };
}
