import { STATUS_CODES } from 'node:http';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { AppConfig } from '#config';
import type { ProblemCode } from '#errors';
import { problemExample } from './problem.examples.js';
import { PROBLEM_JSON } from './problem.js';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;
type Content = Record<string, { schema?: { $ref?: string }; examples?: Record<string, { value?: object }> }>;
type Response = { description: string; headers?: Record<string, object>; content?: Content };
type Schema = { type?: string; properties?: Record<string, Schema>; additionalProperties?: unknown };

const EXAMPLE_URL = 'http://localhost:4000';

const REQUEST_ID = {
  description:
    'Identifies the request in the logs. Taken from the request if it has 1 to 64 letters, digits and `-._~`.',
  schema: { type: 'string' },
};
const NO_STORE = {
  description: 'Responses must not be cached.',
  schema: { type: 'string', example: 'no-store' },
};
const VARY = {
  description: 'Responses depend on the bearer token.',
  schema: { type: 'string', example: 'Authorization' },
};
const AUTHENTICATE = {
  description: 'RFC 6750, section 3. Not sent with `code_rejected`.',
  schema: { type: 'string', example: 'Bearer realm="latchkey", error="invalid_token"' },
};
const RETRY_AFTER = { description: 'Seconds to wait before a retry.', schema: { type: 'integer' } };

/** Serves Swagger UI at /docs and the OpenAPI document at /openapi.json. */
export function serveDocument(api: NestFastifyApplication, config: AppConfig): void {
  const header = documentHeader(config);
  const create = () => {
    const document = SwaggerModule.createDocument(api, header);
    completeSchemas(document);
    completeOperations(document, config.publicUrl ?? EXAMPLE_URL);
    return document;
  };
  SwaggerModule.setup('docs', api, create, {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Latchkey',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
  });
}

/** Everything but the routes: title, description, credentials and server. */
function documentHeader({ publicUrl, provider, operatorToken }: AppConfig) {
  const bearer = { type: 'http', scheme: 'bearer', bearerFormat: 'opaque' } as const;
  const builder = new DocumentBuilder()
    .setTitle('Latchkey')
    .setDescription(introduction(provider === 'inbox'))
    .setVersion('0.2.0')
    .addBearerAuth({ ...bearer, description: 'The `token` of a sign-in: 26 characters.' });
  if (operatorToken !== null)
    builder.addBearerAuth({ ...bearer, description: '`OPERATOR_TOKEN`' }, 'operator');
  if (publicUrl) builder.addServer(publicUrl);
  return builder.build();
}

function introduction(hasInbox: boolean): string {
  return (
    'Sign-in by phone number: request a code by SMS, verify it, get a session token. ' +
    'To try it, send `POST /signup` with your number, then again with the code as `otp`. ' +
    'Press **Authorize**, enter the token from the response, and send `GET /protected`.' +
    (hasInbox ? ' This server sends no messages: read the codes in the [inbox](/dev/inbox).' : '')
  );
}

/** Every number of this API is a count. */
function completeSchemas({ components }: OpenAPIObject): void {
  for (const { properties = {} } of Object.values(components?.schemas ?? {}) as Schema[]) {
    for (const property of Object.values(properties)) {
      if (property.type === 'number') property.type = 'integer';
    }
  }
}

function completeOperations({ paths, components }: OpenAPIObject, publicUrl: string): void {
  const schemas = (components?.schemas ?? {}) as Record<string, Schema>;
  for (const [path, operations] of Object.entries(paths)) {
    for (const operation of Object.values(operations) as Operation[]) {
      splitComment(operation);
      forbidUnknownMembers(operation, schemas);
      for (const [status, response] of Object.entries(operation.responses) as [string, Response][]) {
        response.description ||= STATUS_CODES[status] as string;
        addHeaders(response, status);
        addExamples(response, { publicUrl, path });
      }
    }
  }
}

/** The first paragraph of a handler's comment is the summary, which is plain text. The rest is Markdown. */
function splitComment(operation: Operation): void {
  const [summary, ...rest] = (operation.summary ?? '').split('\n\n');
  operation.summary = summary?.replaceAll('`', '');
  if (rest.length > 0) operation.description = rest.join('\n\n');
}

function forbidUnknownMembers({ requestBody }: Operation, schemas: Record<string, Schema>): void {
  const { content = {} } = (requestBody ?? {}) as { content?: Content };
  for (const { schema } of Object.values(content)) {
    const name = schema?.$ref?.split('/').at(-1);
    if (name) (schemas[name] as Schema).additionalProperties = false;
  }
}

function addHeaders(response: Response, status: string): void {
  response.headers = {
    ...response.headers,
    'X-Request-Id': REQUEST_ID,
    'Cache-Control': NO_STORE,
    Vary: VARY,
    ...(status === '401' && { 'WWW-Authenticate': AUTHENTICATE }),
    ...(['429', '503'].includes(status) && { 'Retry-After': RETRY_AFTER }),
  };
}

function addExamples({ content }: Response, place: { publicUrl: string; path: string }): void {
  for (const [code, example] of Object.entries(content?.[PROBLEM_JSON]?.examples ?? {}))
    example.value = problemExample(code as ProblemCode, place);
}
