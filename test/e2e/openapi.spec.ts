import SwaggerParser from '@apidevtools/swagger-parser';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import type { Answer, Client } from '../support/client.js';
import { freshDatabase, type TestDatabase } from '../support/databases.js';
import { ServerProcess } from '../support/server-process.js';
import { OPERATOR_TOKEN, SECRET } from '../support/settings.js';
import { newestCode } from '../support/verifications.js';

// biome-ignore lint/suspicious/noExplicitAny: the document has no type until it is validated
type Loose = any;

/** Each documented operation with the statuses that it must name. */
const OPERATIONS: Record<string, number[]> = {
  'post /signup': [200, 400, 401, 403, 413, 415, 422, 429, 500, 503],
  'get /protected': [200, 401, 500, 503],
  'post /v1/verifications': [202, 400, 401, 403, 413, 415, 422, 429, 500, 503],
  'get /v1/verifications/{id}': [200, 304, 400, 401, 404, 500, 503],
  'delete /v1/verifications/{id}': [204, 401, 404, 410, 500, 503],
  'post /v1/verifications/{id}/resend': [202, 400, 401, 403, 404, 410, 413, 415, 422, 429, 500, 503],
  'post /v1/verifications/{id}/check': [200, 400, 401, 404, 410, 413, 415, 429, 500, 503],
  'delete /v1/devices': [204, 401, 500, 503],
  'get /v1/operations/blocks': [200, 401, 500, 503],
  'delete /v1/operations/blocks': [204, 401, 500, 503],
  'delete /v1/operations/blocks/{id}': [204, 401, 404, 500, 503],
  'get /health/live': [200, 401, 500, 503],
  'get /health/ready': [200, 401, 500, 503],
  'get /dev/inbox/messages': [200, 400, 401, 500, 503],
  'delete /dev/inbox/messages': [204, 401, 500, 503],
  'post /dev/inbox/messages/{id}/deliver': [204, 401, 404, 500, 503],
  'post /dev/inbox/messages/{id}/fail': [204, 401, 404, 500, 503],
  'get /dev/inbox/plan': [200, 401, 500, 503],
  'put /dev/inbox/plan': [200, 400, 401, 413, 415, 500, 503],
};

/** The build generates the document, so this spec runs the built server. */
describe('The OpenAPI document', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let client: Client;
  let document: Loose;
  let dereferenced: Loose;

  beforeAll(async () => {
    database = await freshDatabase();
    server = await ServerProcess.api({
      DATABASE_URL: database.url,
      SECRET,
      OPERATOR_TOKEN,
    });
    client = server.client;
    document = (await client.get('/openapi.json')).body;
    dereferenced = await SwaggerParser.dereference(structuredClone(document));
  });
  afterAll(async () => {
    await server?.end();
    await database.drop();
  });

  const operation = (name: string) => {
    const [method, path] = name.split(' ') as [string, string];
    return document.paths[path]?.[method];
  };

  it('is valid', async () => {
    await expect(SwaggerParser.validate(structuredClone(document))).resolves.toBeDefined();
  });

  it('lists exactly the documented operations', () => {
    const names = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(names.sort()).toEqual(Object.keys(OPERATIONS).sort());
  });

  it.each(Object.entries(OPERATIONS))('lists every status of %s and its headers', (name, statuses) => {
    const { responses, summary } = operation(name);
    expect(summary).toMatch(/^[^`\n]+$/);
    expect(Object.keys(responses).map(Number)).toEqual(expect.arrayContaining(statuses));
    expect(Object.keys(responses)).toHaveLength(statuses.length);
    for (const [status, { headers, description }] of Object.entries<Loose>(responses)) {
      expect(description).toMatch(/\w/);
      expect(Object.keys(headers)).toEqual(expect.arrayContaining(['X-Request-Id', 'Cache-Control', 'Vary']));
      if (status === '401') expect(headers).toHaveProperty('WWW-Authenticate');
      if (['429', '503'].includes(status)) expect(headers).toHaveProperty('Retry-After');
    }
  });

  it('describes the Location header of a new verification', () => {
    expect(operation('post /v1/verifications').responses[202].headers).toHaveProperty('Location');
  });

  it('links to the inbox', () => {
    expect(document.info.description).toContain('(/dev/inbox)');
  });

  it('has example bodies that the server accepts', async () => {
    const schema = document.components.schemas.OpenVerificationDto;
    const examples = Object.entries<Loose>(schema.properties).map(([name, { example }]) => [name, example]);
    expect(schema.required).toEqual(['phone_number']);
    const { status } = await client.post('/v1/verifications', Object.fromEntries(examples));
    expect(status).toBe(202);
    const [first] = Object.values<Loose>(
      operation('post /signup').requestBody.content['application/json'].examples,
    );
    expect((await client.post('/signup', { ...first.value, phone_number: '+14155550179' })).status).toBe(200);
    expect(document.components.schemas.SignUpDto.required).toEqual(['phone_number']);
    expect(document.components.schemas.CheckVerificationDto.required).toEqual(['code']);
  });

  it('states the limits that the server enforces on bodies', async () => {
    const phone_number = '+14155550100';
    for (const [path, name] of [
      ['/signup', 'SignUpDto'],
      ['/v1/verifications', 'OpenVerificationDto'],
    ] as const) {
      const { additionalProperties, properties } = document.components.schemas[name];
      expect(additionalProperties).toBe(false);
      expect(properties.name).toMatchObject({ minLength: 1, maxLength: 100, nullable: true });
      for (const members of [{ unknown: 1 }, { name: '' }, { name: 'a'.repeat(101) }]) {
        expect((await client.post(path, { phone_number, ...members })).status).toBe(400);
      }
    }
    expect(document.components.schemas.ResendVerificationDto.additionalProperties).toBe(false);
    expect(document.components.schemas.CheckVerificationDto.additionalProperties).toBe(false);
  });

  it('has a complete example of every problem of each path', () => {
    for (const [path, methods] of Object.entries<Loose>(dereferenced.paths)) {
      for (const { responses } of Object.values<Loose>(methods)) {
        for (const [status, { content }] of Object.entries<Loose>(responses)) {
          const problem = content?.['application/problem+json'];
          for (const [code, { value }] of Object.entries<Loose>(problem?.examples ?? {})) {
            expect(faultsOf(problem.schema, value)).toBe('');
            expect(value).toMatchObject({ code, status: Number(status), title: expect.any(String) });
            expect(value.type).toMatch(new RegExp(`^http://.*/problems/${code}$`));
            expect(value.error).toBe(path === '/signup' ? value.title : undefined);
          }
        }
      }
    }
  });

  it('requires a bearer on protected routes only', () => {
    expect(document.components.securitySchemes.bearer).toMatchObject({
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'opaque',
    });
    expect(operation('get /protected').security).toEqual([{ bearer: [] }]);
    expect(operation('post /signup').security).toBeUndefined();
  });

  it('describes the actual responses of the server', async () => {
    function describes(name: string, answer: Answer): Answer {
      const [method, path] = name.split(' ') as [string, string];
      const response = dereferenced.paths[path][method].responses[answer.status];
      const [contentType] = (answer.headers.get('content-type') ?? '').split(';') as [string];
      const schema = response?.content?.[contentType]?.schema;
      expect({ name, status: answer.status, faults: faultsOf(schema, answer.body) }).toEqual({
        name,
        status: answer.status,
        faults: '',
      });
      return answer;
    }

    const phone_number = '+14155550177';
    const other = '+14155550178';
    describes('post /signup', await client.post('/signup', { phone_number }));
    describes('post /signup', await client.post('/signup', { phone_number }));
    describes('post /signup', await client.post('/signup', { phone_number: 1 }));
    describes('post /signup', await client.post('/signup', { phone_number, otp: 'wrong' }));
    const { body } = describes(
      'post /signup',
      await client.post('/signup', { phone_number, otp: await newestCode(client, phone_number) }),
    );
    describes('get /protected', await client.as(body.token).get('/protected'));
    describes('get /protected', await client.get('/protected'));
    const opened = describes(
      'post /v1/verifications',
      await client.post('/v1/verifications', { phone_number: other }),
    );
    const path = `/v1/verifications/${opened.body.id}`;
    describes('get /v1/verifications/{id}', await client.get(path));
    describes('post /v1/verifications/{id}/resend', await client.post(`${path}/resend`));
    describes('post /v1/verifications/{id}/check', await client.post(`${path}/check`, { code: 'wrong' }));
    describes(
      'post /v1/verifications/{id}/check',
      await client.post(`${path}/check`, { code: await newestCode(client, other) }),
    );
    describes('delete /v1/verifications/{id}', await client.delete(path));
    describes('get /health/ready', await client.get('/health/ready'));
    describes('get /dev/inbox/messages', await client.get('/dev/inbox/messages'));
  });
});

function faultsOf(schema: Loose, value: unknown): string {
  const ajv = formats.default(new Ajv({ strict: false, allErrors: true }));
  return ajv.validate(asJsonSchema(schema), value) ? '' : ajv.errorsText(ajv.errors);
}

/** Translates the `nullable` of OpenAPI 3.0 and forbids undescribed members. */
function asJsonSchema(schema: Loose): Loose {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(asJsonSchema);
  const inner: Loose = Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [name, asJsonSchema(value)]),
  );
  if (inner.type === 'object' && inner.properties) inner.additionalProperties = false;
  return inner.nullable ? { anyOf: [{ type: 'null' }, inner] } : inner;
}
