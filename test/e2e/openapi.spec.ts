import SwaggerParser from '@apidevtools/swagger-parser';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import sharp from 'sharp';
import type { Answer, Client } from '../support/client.js';
import { freshDatabase, type TestDatabase } from '../support/databases.js';
import { ServerProcess } from '../support/server-process.js';
import { CLIENTS_FILE, OPERATOR_TOKEN, SECRET } from '../support/settings.js';
import { newestCode } from '../support/verifications.js';

/** Any part of the document: it has no type until it is validated. */
type Loose = Answer['body'];

interface Documented {
  readonly id: string;
  readonly statuses: number[];
}

/** The statuses of every route in the form of Twilio Verify. */
const TWILIO = (success: number) => [success, 400, 401, 403, 404, 413, 415, 429, 500, 503];

/** Each documented operation with its id and the statuses that it must name. */
const OPERATIONS: Record<string, Documented> = {
  'post /signup': { id: 'signUp', statuses: [200, 400, 401, 403, 413, 415, 422, 429, 500, 503] },
  'get /protected': { id: 'getProtected', statuses: [200, 400, 401, 403, 500, 503] },
  'post /v1/verifications': {
    id: 'requestCode',
    statuses: [202, 400, 401, 403, 413, 415, 422, 429, 500, 503],
  },
  'get /v1/verifications/{id}': { id: 'getVerification', statuses: [200, 304, 400, 404, 500, 503] },
  'delete /v1/verifications/{id}': { id: 'cancelVerification', statuses: [204, 400, 404, 410, 500, 503] },
  'post /v1/verifications/{id}/resend': {
    id: 'resendCode',
    statuses: [202, 400, 401, 403, 404, 410, 413, 415, 422, 429, 500, 503],
  },
  'post /v1/verifications/{id}/check': {
    id: 'checkCode',
    statuses: [200, 400, 401, 403, 404, 410, 413, 415, 429, 500, 503],
  },
  'delete /v1/devices': { id: 'revokeDevices', statuses: [204, 400, 401, 403, 500, 503] },
  'get /v1/me': { id: 'getMe', statuses: [200, 400, 401, 403, 500, 503] },
  'patch /v1/me': { id: 'changeMe', statuses: [200, 400, 401, 403, 409, 413, 415, 500, 503] },
  'delete /v1/me': { id: 'deleteMe', statuses: [204, 400, 401, 403, 500, 503] },
  'post /v1/me/phone_number': {
    id: 'changePhoneNumber',
    statuses: [202, 400, 401, 403, 413, 415, 422, 429, 500, 503],
  },
  'put /v1/me/avatar': { id: 'putAvatar', statuses: [200, 400, 401, 403, 413, 415, 422, 429, 500, 503] },
  'delete /v1/me/avatar': { id: 'deleteAvatar', statuses: [204, 400, 401, 403, 500, 503] },
  'get /v1/avatars/{file}': { id: 'getAvatar', statuses: [200, 304, 400, 404, 500, 503] },
  'get /v1/me/export': { id: 'exportMe', statuses: [200, 400, 401, 403, 500, 503] },
  'post /v1/session/refresh': { id: 'refreshSession', statuses: [200, 400, 401, 413, 415, 429, 500, 503] },
  'post /v1/session/jwt': { id: 'signToken', statuses: [200, 400, 401, 403, 413, 415, 500, 503] },
  'get /v1/session/verify': { id: 'verifySession', statuses: [204, 400, 401, 403, 500, 503] },
  'delete /v1/session': { id: 'signOut', statuses: [204, 400, 401, 403, 500, 503] },
  'get /v1/sessions': { id: 'listSessions', statuses: [200, 400, 401, 403, 500, 503] },
  'delete /v1/sessions': { id: 'endSessions', statuses: [204, 400, 401, 403, 500, 503] },
  'delete /v1/sessions/{id}': { id: 'endSession', statuses: [204, 400, 401, 403, 404, 500, 503] },
  'get /.well-known/jwks.json': { id: 'getPublicKeys', statuses: [200, 400, 500, 503] },
  'get /.well-known/oauth-authorization-server': { id: 'getServerMetadata', statuses: [200, 400, 500, 503] },
  'post /oauth/introspect': { id: 'introspectToken', statuses: [200, 400, 401, 413, 415, 429, 500, 503] },
  'post /oauth/revoke': { id: 'revokeToken', statuses: [200, 400, 401, 413, 415, 429, 500, 503] },
  'post /v2/Services/{service}/Verifications': { id: 'startVerification', statuses: TWILIO(201) },
  'post /v2/Services/{service}/VerificationCheck': { id: 'checkVerification', statuses: TWILIO(200) },
  'get /v2/Services/{service}/Verifications/{verification}': {
    id: 'fetchVerification',
    statuses: TWILIO(200).filter((status) => status !== 413 && status !== 415),
  },
  'post /v2/Services/{service}/Verifications/{verification}': {
    id: 'cancelVerificationBySid',
    statuses: TWILIO(200),
  },
  'get /v1/operations/blocks': { id: 'listBlocks', statuses: [200, 400, 401, 500, 503] },
  'delete /v1/operations/blocks': { id: 'liftAllBlocks', statuses: [204, 400, 401, 500, 503] },
  'delete /v1/operations/blocks/{id}': { id: 'liftBlock', statuses: [204, 400, 401, 404, 500, 503] },
  'post /v1/operations/numbers/lookup': {
    id: 'lookUpNumber',
    statuses: [200, 400, 401, 413, 415, 500, 503],
  },
  'get /health/live': { id: 'getLiveness', statuses: [200, 400, 500, 503] },
  'get /health/ready': { id: 'getReadiness', statuses: [200, 400, 500, 503] },
  'get /dev/inbox/messages': { id: 'listMessages', statuses: [200, 400, 421, 500, 503] },
  'delete /dev/inbox/messages': { id: 'clearMessages', statuses: [204, 400, 421, 500, 503] },
  'post /dev/inbox/messages/{id}/deliver': { id: 'deliverMessage', statuses: [204, 400, 404, 421, 500, 503] },
  'post /dev/inbox/messages/{id}/fail': { id: 'failMessage', statuses: [204, 400, 404, 421, 500, 503] },
  'get /dev/inbox/plan': { id: 'getPlan', statuses: [200, 400, 421, 500, 503] },
  'put /dev/inbox/plan': { id: 'setPlan', statuses: [200, 400, 413, 415, 421, 500, 503] },
};

/** The texts in `error` that differ from the title, by the paths that have this member. */
const GO_ERRORS: Record<string, Record<string, string>> = {
  '/signup': { code_rejected: 'Invalid or expired OTP' },
  '/protected': { unauthenticated: 'Unauthorized', invalid_token: 'Unauthorized' },
};

/** Problems with a header of their own. */
const PROBLEM_HEADERS: Record<string, string> = {
  unauthenticated: 'WWW-Authenticate',
  invalid_token: 'WWW-Authenticate',
  insufficient_scope: 'WWW-Authenticate',
  rate_limited: 'Retry-After',
  sends_suspended: 'Retry-After',
  unavailable: 'Retry-After',
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
      CLIENTS_FILE,
      SMS_APP_HASH: 'FA+9qCX9VSu',
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
  const dereferencedOperation = (name: string) => {
    const [method, path] = name.split(' ') as [string, string];
    return dereferenced.paths[path][method];
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

  it.each(Object.entries(OPERATIONS))('names and describes %s and each of its statuses', (name, expected) => {
    const { responses, summary, description, operationId } = operation(name);
    expect(operationId).toBe(expected.id);
    expect(summary).toMatch(/^[^`\n]+$/);
    expect(description).toMatch(/\w/);
    expect(Object.keys(responses).map(Number)).toEqual(expected.statuses);
    for (const response of Object.values<Loose>(dereferencedOperation(name).responses)) {
      expect(response.description).toMatch(/\w/);
    }
  });

  it('lists the common headers once for each operation, and with a problem only its own', () => {
    for (const name of Object.keys(OPERATIONS)) {
      for (const [status, response] of Object.entries<Loose>(operation(name).responses)) {
        const { headers = {}, content } = dereferencedOperation(name).responses[status];
        const problem = content?.['application/problem+json'];
        if (problem) {
          expect(response).toEqual({ $ref: expect.stringMatching(/^#\/components\/responses\/\w+$/) });
          const own = Object.keys(problem.examples).flatMap((code) => PROBLEM_HEADERS[code] ?? []);
          expect(Object.keys(headers)).toEqual([...new Set(own)]);
        } else {
          expect(Object.keys(headers)).toEqual(
            expect.arrayContaining(['X-Request-Id', 'Cache-Control', 'Vary']),
          );
        }
      }
    }
  });

  it('is OpenAPI 3.1 with a licence, a server and described tags in the order of a reader', () => {
    const { openapi, info, servers, tags } = document;
    expect(openapi).toBe('3.1.1');
    expect(info).toMatchObject({ license: { identifier: 'MIT' }, contact: { name: expect.any(String) } });
    expect(servers).toEqual([{ url: '/', description: expect.any(String) }]);
    expect(tags.map((tag: Loose) => tag.name)).toEqual([
      'Sign-up',
      'Verifications',
      'Signed in',
      'Sessions',
      'For other services',
      'Twilio Verify',
      'For operators',
      'For developers',
    ]);
    expect(JSON.stringify(document)).not.toMatch(/"nullable"|Dto"/);
  });

  it('describes every schema, member and parameter, and has an example of every text', () => {
    for (const [name, { description, properties }] of Object.entries<Loose>(document.components.schemas)) {
      expect([name, description]).toEqual([name, expect.stringMatching(/\w/)]);
      for (const [member, schema] of Object.entries<Loose>(properties)) {
        const texts = [schema.description, ...(schema.allOf ?? []).map((each: Loose) => each.description)];
        expect([name, member, texts.join()]).toEqual([name, member, expect.stringMatching(/\w/)]);
        const isFreeText = [schema.type].flat().includes('string') && !schema.enum && !schema.format;
        if (isFreeText) expect([name, member, schema.examples]).toEqual([name, member, [expect.anything()]]);
      }
    }
    for (const name of Object.keys(OPERATIONS)) {
      for (const parameter of operation(name).parameters ?? []) {
        expect([name, parameter]).toEqual([
          name,
          expect.objectContaining({ description: expect.any(String) }),
        ]);
      }
    }
  });

  it('has named examples of every body, which its schema accepts', () => {
    for (const name of Object.keys(OPERATIONS)) {
      const body = dereferencedOperation(name).requestBody?.content['application/json'];
      if (!body) continue;
      expect([name, Object.keys(body.examples ?? {}).length > 0]).toEqual([name, true]);
      for (const { summary, value } of Object.values<Loose>(body.examples)) {
        expect(summary).toMatch(/\w/);
        expect(faultsOf(body.schema, value)).toBe('');
      }
    }
  });

  it.each(Object.keys(OPERATIONS))('says whether %s needs a token', async (name) => {
    const [method, path] = name.split(' ') as [string, string];
    const url = path.replaceAll(/\{\w+\}/g, 'unknown');
    const body = operation(name).requestBody ? '{}' : undefined;
    const answer = await client.send(method.toUpperCase(), url, body, {
      'content-type': 'application/json',
    });
    const { security } = operation(name);
    expect(Array.isArray(security)).toBe(true);
    const { code, error } = answer.body ?? {};
    const isRefused = code === 'unauthenticated' || error === 'invalid_client' || code === 20003;
    const isOptional = security.some((requirement: object) => Object.keys(requirement).length === 0);
    expect(security.length > 0 && !isOptional).toBe(isRefused);
  });

  it('describes the Location header of a new verification', () => {
    expect(operation('post /v1/verifications').responses[202].headers).toHaveProperty('Location');
  });

  it('links to the inbox', () => {
    expect(document.info.description).toContain('(/dev/inbox)');
  });

  it('has example bodies that the server accepts', async () => {
    const schema = document.components.schemas.OpenVerification;
    const examples = Object.entries<Loose>(schema.properties).map(([name, { examples }]) => [
      name,
      examples[0],
    ]);
    expect(schema.required).toEqual(['phone_number']);
    const { client_address, ...ofEveryone } = Object.fromEntries(examples);
    expect(client_address).toBe('203.0.113.7');
    const { status } = await client.post('/v1/verifications', ofEveryone);
    expect(status).toBe(202);
    const [first] = Object.values<Loose>(
      operation('post /signup').requestBody.content['application/json'].examples,
    );
    expect((await client.post('/signup', { ...first.value, phone_number: '+14155550179' })).status).toBe(200);
    expect(document.components.schemas.SignUp.required).toEqual(['phone_number']);
    expect(document.components.schemas.CheckVerification.required).toEqual(['code']);
  });

  it('states the limits that the server enforces on bodies', async () => {
    const phone_number = '+14155550100';
    for (const [path, name, refused] of [
      // An empty name counts as absent.
      ['/signup', 'SignUp', []],
      ['/v1/verifications', 'OpenVerification', [{ name: '' }]],
    ] as const) {
      const { additionalProperties, properties } = document.components.schemas[name];
      expect(additionalProperties).toBe(false);
      expect(properties.name).toMatchObject({ type: ['string', 'null'], minLength: 1, maxLength: 64 });
      for (const members of [{ unknown: 1 }, { name: 'a'.repeat(65) }, ...refused]) {
        expect((await client.post(path, { phone_number, ...members })).status).toBe(400);
      }
    }
    expect(document.components.schemas.ResendVerification.additionalProperties).toBe(false);
    expect(document.components.schemas.CheckVerification.additionalProperties).toBe(false);
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
            expect(value.error).toBe(GO_ERRORS[path] && (GO_ERRORS[path][code] ?? value.title));
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
    expect(operation('get /v1/operations/blocks').security).toEqual([{ operator: [] }]);
    expect(operation('post /oauth/introspect').security).toEqual([{ client: [] }]);
    expect(operation('post /v1/verifications').security).toEqual([{}, { client: [] }]);
    expect(operation('post /signup').security).toEqual([]);
  });

  it('describes the actual responses of the server', async () => {
    function describes(name: string, answer: Answer): Answer {
      const [method, path] = name.split(' ') as [string, string];
      const response = dereferenced.paths[path][method].responses[answer.status];
      const [contentType] = (answer.headers.get('content-type') ?? '').split(';') as [string];
      if (response && !response.content) {
        expect([name, answer.body]).toEqual([name, '']);
        return answer;
      }
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
    const session = describes(
      'post /v1/verifications/{id}/check',
      await client.post(`${path}/check`, { code: await newestCode(client, other) }),
    ).body;
    const signedIn = client.as(session.token);
    const { refresh_token } = session;
    describes('post /v1/session/refresh', await client.post('/v1/session/refresh', { refresh_token }));
    describes('post /v1/session/refresh', await client.post('/v1/session/refresh', { refresh_token: 'x' }));
    describes('get /v1/me', await signedIn.get('/v1/me'));
    const change = (body: object) =>
      signedIn.send('PATCH', '/v1/me', JSON.stringify(body), { 'content-type': 'application/json' });
    describes('get /v1/me/export', await signedIn.get('/v1/me/export'));
    describes('patch /v1/me', await change({ name: 'Grace' }));
    const toNumber = (phone_number: string) => signedIn.post('/v1/me/phone_number', { phone_number });
    describes('post /v1/me/phone_number', await toNumber(other));
    const moving = describes('post /v1/me/phone_number', await toNumber('+14155550176'));
    const moved = `/v1/verifications/${moving.body.id}/check`;
    const code = await newestCode(client, '+14155550176');
    describes('post /v1/verifications/{id}/check', await client.post(moved, { code }));
    describes('post /v1/verifications/{id}/check', await signedIn.post(moved, { code }));
    const upload = (image: Uint8Array, type = 'image/png') =>
      signedIn.send('PUT', '/v1/me/avatar', image, { 'content-type': type });
    const png = await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    describes('put /v1/me/avatar', await upload(png));
    describes('put /v1/me/avatar', await upload(Buffer.from('x')));
    describes('put /v1/me/avatar', await upload(Buffer.from('{}'), 'application/json'));
    describes('get /v1/me', await signedIn.get('/v1/me'));
    describes('get /v1/avatars/{file}', await client.get('/v1/avatars/x.webp'));
    describes('delete /v1/me/avatar', await signedIn.delete('/v1/me/avatar'));
    describes('patch /v1/me', await change({ name: 'Ada', version: 1 }));
    describes('post /v1/session/jwt', await signedIn.post('/v1/session/jwt'));
    describes('post /v1/session/jwt', await signedIn.post('/v1/session/jwt', { audience: 'x' }));
    describes('get /.well-known/jwks.json', await client.get('/.well-known/jwks.json'));
    const metadata = '/.well-known/oauth-authorization-server';
    describes(`get ${metadata}`, await client.get(metadata));
    describes('get /v1/sessions', await signedIn.get('/v1/sessions'));
    describes('delete /v1/sessions/{id}', await signedIn.delete('/v1/sessions/unknown'));
    describes('delete /v1/sessions', await signedIn.delete('/v1/sessions'));
    describes('delete /v1/session', await signedIn.delete('/v1/session'));
    describes('get /v1/sessions', await signedIn.get('/v1/sessions'));
    describes('delete /v1/verifications/{id}', await client.delete(path));
    describes('get /health/ready', await client.get('/health/ready'));
    describes('get /dev/inbox/messages', await client.get('/dev/inbox/messages'));
  });
});

function faultsOf(schema: Loose, value: unknown): string {
  const ajv = formats.default(new Ajv({ strict: false, allErrors: true }));
  return ajv.validate(asJsonSchema(schema), value) ? '' : ajv.errorsText(ajv.errors);
}

/** Forbids undescribed members. */
function asJsonSchema(schema: Loose): Loose {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(asJsonSchema);
  const inner: Loose = Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [name, asJsonSchema(value)]),
  );
  if (inner.type === 'object' && inner.properties) inner.additionalProperties = false;
  return inner;
}
