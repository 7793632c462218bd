import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { AppConfig } from '#config';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;
type Response = { headers?: Record<string, object> };

const REQUEST_ID = {
  description:
    'Names the request in the logs. Taken from the request when it is a sane token of up to 64 characters.',
  schema: { type: 'string' },
};
const NO_STORE = {
  description: 'Answers are not for caches.',
  schema: { type: 'string', example: 'no-store' },
};
const VARY = {
  description: 'Answers depend on the bearer.',
  schema: { type: 'string', example: 'Authorization' },
};
const AUTHENTICATE = { description: 'RFC 6750, section 3.', schema: { type: 'string' } };
const RETRY_AFTER = { description: 'Seconds until another try makes sense.', schema: { type: 'integer' } };

/** Swagger UI at /docs, and the document it shows at /openapi.json. */
export function serveDocument(api: NestFastifyApplication, { publicUrl }: AppConfig): void {
  const builder = new DocumentBuilder()
    .setTitle('Latchkey')
    .setDescription(
      'Phone sign-in: give a phone number, get a code by SMS, hold a token. Try `POST /signup` with your number, ' +
        'again with the code as `otp`, press **Authorize** with the token you get, then try `GET /protected`.',
    )
    .setVersion('0.1.0')
    .addBearerAuth({
      type: 'http',
      scheme: 'bearer',
      description: 'The `token` of a sign-in: 26 characters.',
    });
  if (publicUrl) builder.addServer(publicUrl);
  SwaggerModule.setup('docs', api, () => withHeaders(SwaggerModule.createDocument(api, builder.build())), {
    jsonDocumentUrl: 'openapi.json',
    yamlDocumentUrl: 'openapi.yaml',
    customSiteTitle: 'Latchkey',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
  });
}

/** The headers that every answer of a kind carries, added once rather than at each route. */
function withHeaders(document: OpenAPIObject): OpenAPIObject {
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path) as Operation[]) {
      for (const [status, response] of Object.entries(operation.responses) as [string, Response][]) {
        response.headers = {
          ...response.headers,
          'X-Request-Id': REQUEST_ID,
          'Cache-Control': NO_STORE,
          Vary: VARY,
          ...(status === '401' && { 'WWW-Authenticate': AUTHENTICATE }),
          ...(['429', '503'].includes(status) && { 'Retry-After': RETRY_AFTER }),
        };
      }
    }
  }
  return document;
}
