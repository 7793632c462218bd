import { DocumentBuilder, type OpenAPIObject } from '@nestjs/swagger';
import type { AppConfig } from '#config';
import { PublicPath } from './public-path.js';

/** In the order in which a reader needs them. */
const TAGS = {
  'Sign-up': 'One endpoint that sends a code and verifies it. The quickest way to sign a user in.',
  Verifications:
    'The steps of a sign-in as separate requests: send a code, follow its delivery, send it again, check it.',
  'Signed in': 'Requests of a signed-in user. They need the token of a sign-in.',
  Sessions: 'Refresh, list and end sessions.',
  'For other services': 'Requests of services that the operator has registered (`CLIENTS_FILE`).',
  'Twilio Verify':
    'Verification of numbers for services of `CLIENTS_FILE`, in the form of Twilio Verify, so that its libraries work.',
  'For operators': 'Health checks, and requests that need `OPERATOR_TOKEN`.',
  'For developers': 'The inbox, which shows messages instead of sending them. Not for production.',
};

/** Everything but the routes. */
export function documentHeader({ publicUrl, provider, operatorToken }: AppConfig) {
  const bearer = { type: 'http', scheme: 'bearer', bearerFormat: 'opaque' } as const;
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.1')
    .setTitle('Latchkey')
    .setDescription(introduction(provider === 'inbox' ? new PublicPath(publicUrl).of('/dev/inbox') : null))
    .setVersion('0.2.0')
    .addServer(publicUrl?.replace(/\/+$/, '') ?? '/', 'This server')
    .addBearerAuth({ ...bearer, description: 'The `token` of a sign-in: 26 characters.' });
  if (operatorToken !== null)
    builder.addBearerAuth({ ...bearer, description: '`OPERATOR_TOKEN`' }, 'operator');
  builder.addBasicAuth(
    { type: 'http', scheme: 'basic', description: 'A client of `CLIENTS_FILE`.' },
    'client',
  );
  for (const [name, description] of Object.entries(TAGS)) builder.addTag(name, description);
  const header = builder.build();
  // The builder knows neither SPDX identifiers nor a contact without an address.
  header.info.license = { name: 'MIT License', identifier: 'MIT' } as OpenAPIObject['info']['license'];
  header.info.contact = { name: 'The operator of this server' };
  return header;
}

function introduction(inbox: string | null): string {
  return (
    'Sign-in by phone number: request a code by SMS, verify it, get a session token. ' +
    'To try it, send `POST /signup` with your number, then again with the code as `otp`. ' +
    'Press **Authorize**, enter the token from the response, and send `GET /protected`.' +
    (inbox ? ` This server sends no messages: read the codes in the [inbox](${inbox}).` : '') +
    '\n\nErrors are problem documents (RFC 9457). Switch on their `code`, not on their texts. ' +
    'Every response, errors too, has the headers `X-Request-Id`, `Cache-Control` and `Vary`.'
  );
}
