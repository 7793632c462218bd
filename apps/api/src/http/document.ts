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
const AUTHENTICATE = {
  description: 'RFC 6750, section 3. Not with `code_rejected`.',
  schema: { type: 'string', example: 'Bearer realm="latchkey", error="invalid_token"' },
};
const RETRY_AFTER = { description: 'Seconds until another try makes sense.', schema: { type: 'integer' } };

/** Swagger UI at /docs, and the document it shows at /openapi.json. */
export function serveDocument(
  api: NestFastifyApplication,
  { publicUrl, sender, operatorToken }: AppConfig,
): void {
  const builder = new DocumentBuilder()
    .setTitle('Latchkey')
    .setDescription(
      'Phone sign-in: give a phone number, get a code by SMS, hold a token. Try `POST /signup` with your number, ' +
        'again with the code as `otp`, press **Authorize** with the token you get, then try `GET /protected`.' +
        (sender === 'inbox' ? ' No phone rings here: the codes are in the [inbox](/dev/inbox).' : ''),
    )
    .setVersion('0.1.0')
    .addBearerAuth({
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'opaque',
      description: 'The `token` of a sign-in: 26 characters.',
    });
  if (operatorToken !== null) {
    const description = '`OPERATOR_TOKEN`';
    builder.addBearerAuth(
      { type: 'http', scheme: 'bearer', bearerFormat: 'opaque', description },
      'operator',
    );
  }
  if (publicUrl) builder.addServer(publicUrl);
  const create = () =>
    completed(SwaggerModule.createDocument(api, builder.build()), publicUrl ?? EXAMPLE_URL);
  SwaggerModule.setup('docs', api, create, {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Latchkey',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
  });
}

/** What holds for all operations and schemas, said once rather than at each of them. */
function completed(document: OpenAPIObject, publicUrl: string): OpenAPIObject {
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema>;
  for (const schema of Object.values(schemas)) countInIntegers(schema);
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const operation of Object.values(operations) as Operation[]) {
      splitComment(operation);
      refuseUnknownMembers(operation, schemas);
      for (const [status, response] of Object.entries(operation.responses) as [string, Response][]) {
        response.description ||= STATUS_CODES[status] as string;
        addHeaders(response, status);
        addExamples(response, { publicUrl, path });
      }
    }
  }
  return document;
}

/** Every number here is a count. */
function countInIntegers({ properties = {} }: Schema): void {
  for (const property of Object.values(properties)) {
    if (property.type === 'number') property.type = 'integer';
  }
}

/** The first paragraph of a handler's comment is its summary, which is plain text; the rest is Markdown. */
function splitComment(operation: Operation): void {
  const [summary, ...rest] = (operation.summary ?? '').split('\n\n');
  operation.summary = summary?.replaceAll('`', '');
  if (rest.length > 0) operation.description = rest.join('\n\n');
}

function refuseUnknownMembers({ requestBody }: Operation, schemas: Record<string, Schema>): void {
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
