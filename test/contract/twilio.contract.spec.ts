import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import type { TwilioConfig } from '#config';
import { type Message, TwilioProvider } from '#messaging';
import type { PhoneNumber } from '#phone';
import { type Answer, FakeTwilio, type SeenRequest } from '../support/fake-twilio.js';
import { twilioConfigFor } from '../support/twilio-config.js';
import twilioApi from './twilio-messages.openapi.json' with { type: 'json' };

const PATH = '/2010-04-01/Accounts/{AccountSid}/Messages.json';
const FEEDBACK_PATH = '/2010-04-01/Accounts/{AccountSid}/Messages/{MessageSid}/Feedback.json';
const FORM = 'application/x-www-form-urlencoded';
const FROM = '+15005550006';
const SERVICE = `MG${'0'.repeat(32)}`;
const CONTENT_SID = `HX${'0'.repeat(32)}`;
const CALLBACK = 'https://id.example.test/v1/webhooks/twilio';
const MESSAGE: Message = {
  to: '+14155550123' as PhoneNumber,
  channel: 'sms',
  body: 'Ihr Code: 739145 – läuft in 5 Minuten ab & bleibt 100 % geheim + 👍',
  code: '739145',
  locale: 'de',
  validForSeconds: 300,
  reference: 'ver 1/2&3',
};

describe("Twilio's OpenAPI description", () => {
  let fake: FakeTwilio;

  beforeEach(async () => {
    fake = await FakeTwilio.start();
  });

  afterEach(() => fake.stop());

  it.each<[how: string, sender: Partial<TwilioConfig>]>([
    ['from a number', { from: FROM }],
    ['from a name', { from: 'Latchkey' }],
    ['through a messaging service', { messagingServiceSid: SERVICE }],
    ['from a number of a messaging service', { from: FROM, messagingServiceSid: SERVICE }],
  ])('accepts a message %s', async (_, sender) => {
    await send(sender);

    expect(fake.requests).toHaveLength(1);
    expect(fake.requests.flatMap(faultsOf)).toEqual([]);
    expect(fake.messages).toEqual([expect.objectContaining({ to: MESSAGE.to, body: MESSAGE.body })]);
  });

  it.each([-1, 0, 59.5, 36_000, 1e9])('accepts a message that is valid for %d s', async (seconds) => {
    await send({ from: FROM }, { validForSeconds: seconds });

    expect(fake.requests.flatMap(faultsOf)).toEqual([]);
  });

  it.each<[how: string, sender: Partial<TwilioConfig>, message: Partial<Message>]>([
    ['with feedback', { from: FROM, feedback: true }, {}],
    ['by WhatsApp', { whatsapp: { from: FROM, contentSid: null } }, { channel: 'whatsapp' }],
    [
      'by a WhatsApp template',
      { whatsapp: { from: FROM, contentSid: CONTENT_SID } },
      { channel: 'whatsapp' },
    ],
  ])('accepts a message %s', async (_, sender, message) => {
    await send(sender, message);

    expect(fake.requests.flatMap(faultsOf)).toEqual([]);
  });

  it('accepts a message with a status callback', async () => {
    await sender({ from: FROM }, CALLBACK).send(MESSAGE);

    expect(fake.requests.flatMap(faultsOf)).toEqual([]);
    expect(fake.messages[0]?.statusCallback).toMatch(`${CALLBACK}?message=`);
  });

  it('accepts the feedback that a code was used', async () => {
    const twilio = sender({ from: FROM, feedback: true });
    const { providerId } = await twilio.send(MESSAGE);

    await twilio.confirm(providerId);

    expect(fake.requests).toHaveLength(2);
    expect(fake.requests.flatMap(faultsOf)).toEqual([]);
  });

  // The description has no calls; the parameters come from https://www.twilio.com/docs/voice/api/call-resource
  // and the SDK.
  it('lacks calls, which are requested as Twilio documents them', async () => {
    await sender({ callFrom: FROM }, CALLBACK).send({ ...MESSAGE, channel: 'call' });

    const [request] = fake.requests as [SeenRequest];
    expect(request.path).toBe(`/2010-04-01/Accounts/${fake.accountSid}/Calls.json`);
    expect(request.headers['content-type']).toBe(FORM);
    expect([...request.form.entries()].sort()).toEqual([
      ['From', FROM],
      ['MachineDetection', 'Enable'],
      ['MachineDetectionTimeout', '8'],
      ['StatusCallback', expect.stringMatching(/^https:/)],
      ['StatusCallbackEvent', 'answered'],
      ['StatusCallbackEvent', 'completed'],
      ['StatusCallbackMethod', 'POST'],
      ['Timeout', '30'],
      ['To', MESSAGE.to],
      ['Twiml', expect.stringMatching(/^<\?xml .*<Response>.*<\/Response>$/)],
    ]);
    expect(request.form.get('Twiml')?.length).toBeLessThanOrEqual(4_000);
  });

  it.each<[what: string, change: Change, fault: string]>([
    ['an unknown parameter', { Code: '739145' }, 'must NOT have additional properties'],
    ['no recipient', { To: null }, "must have required property 'To'"],
    ['a malformed recipient', { To: 'somebody' }, '/To must match pattern'],
    ['a malformed callback address', { StatusCallback: 'here' }, '/StatusCallback must match format'],
    ['a malformed template', { ContentSid: SERVICE }, '/ContentSid must match pattern'],
    ['a malformed feedback flag', { ProvideFeedback: 'perhaps' }, '/ProvideFeedback must be boolean'],
    ['neither a sender nor a service', { From: null }, 'needs From or MessagingServiceSid'],
    ['no body', { Body: null }, 'needs Body or MediaUrl or ContentSid'],
    ['a validity that is not an integer', { ValidityPeriod: '5m' }, 'must be integer'],
    ['a validity out of range', { ValidityPeriod: '36001' }, 'must be <= 36000'],
    ['another method', { method: 'PUT' }, 'no operation'],
    ['another path', { path: '/2010-04-01/Accounts/AC1/Messages.json' }, 'no operation'],
    ['another content type', { headers: { 'content-type': 'application/json' } }, 'content type'],
    ['no credentials', { headers: { authorization: 'Bearer x' } }, 'credentials'],
  ])('rejects a request with %s', async (_, change, fault) => {
    await send({ from: FROM });
    const [request] = fake.requests as [SeenRequest];

    expect(faultsOf(changed(request, change))).toEqual([expect.stringContaining(fault)]);
  });

  it.each<[how: string, sender: Record<string, string>]>([
    ['a number', { From: FROM }],
    ['a messaging service', { MessagingServiceSid: SERVICE }],
  ])('describes the answer of the fake to a message from %s', async (_, sender) => {
    const response = await ask({ To: MESSAGE.to, Body: MESSAGE.body, ValidityPeriod: '300', ...sender });

    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(faultsIn(messageResource, await response.json())).toEqual([]);
  });

  it('describes the answer of the fake to feedback', async () => {
    const twilio = sender({ from: FROM, feedback: true });
    const { providerId } = await twilio.send(MESSAGE);

    const response = await ask({ Outcome: 'confirmed' }, FEEDBACK_PATH.replace('{MessageSid}', providerId));

    expect(response.status).toBe(200);
    expect(faultsIn(feedbackResource, await response.json())).toEqual([]);
  });

  // The description has no errors; their shape comes from https://www.twilio.com/docs/usage/twilios-response.
  it.each<[status: number, code: number, answer: Answer]>([
    [400, 21211, { refuse: 21211 }],
    [429, 20429, { throttle: '3' }],
    [503, 20500, { fail: 503 }],
  ])(
    'lacks errors, which the fake sends as Twilio documents them: %d with %d',
    async (status, code, answer) => {
      fake.answer(answer);

      const response = await ask({ To: MESSAGE.to, Body: MESSAGE.body, From: FROM });

      expect(response.status).toBe(status);
      expect(await response.json()).toEqual({
        code,
        message: expect.any(String),
        more_info: `https://www.twilio.com/docs/errors/${code}`,
        status,
      });
    },
  );

  async function send(config: Partial<TwilioConfig>, message: Partial<Message> = {}): Promise<void> {
    await sender(config).send({ ...MESSAGE, ...message });
  }

  function sender(overrides: Partial<TwilioConfig>, callbackUrl: string | null = null): TwilioProvider {
    return new TwilioProvider(twilioConfigFor(fake, { from: null, ...overrides }), callbackUrl);
  }

  function ask(form: Record<string, string>, path: string = PATH): Promise<Response> {
    const credentials = Buffer.from(`${fake.accountSid}:${fake.authToken}`).toString('base64');
    return fetch(fake.url + path.replace('{AccountSid}', fake.accountSid), {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}` },
      body: new URLSearchParams(form),
    });
  }
});

const creation = twilioApi.paths[PATH].post;
const requestSchema = creation.requestBody.content[FORM].schema;
const feedback = twilioApi.paths[FEEDBACK_PATH].post;
const resources = twilioApi.components.schemas;

// Not strict: some keywords of OpenAPI 3.0 are not JSON Schema.
const ajv = new Ajv({ strict: false, allErrors: true, coerceTypes: 'array' });
addFormats.default(ajv);
ajv.addFormat('phone-number', /^((whatsapp:)?\+[1-9]\d{6,14}|[A-Za-z0-9 ]{1,11})$/);
ajv.addFormat('date-time-rfc-2822', /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}$/);
ajv.addFormat('currency', /^[a-z]{3}$/i);
ajv.addFormat('uri-map', true);

interface Operation {
  readonly path: RegExp;
  readonly form: ValidateFunction;
  /** Each list needs one of its parameters. */
  readonly conditional: readonly (readonly string[])[];
}

const OPERATIONS: readonly Operation[] = [
  {
    path: pathPattern(PATH, creation.parameters),
    form: compile({
      ...requestSchema,
      properties: {
        ...requestSchema.properties,
        To: { ...requestSchema.properties.To, pattern: '^(whatsapp:)?\\+[1-9]\\d{6,14}$' },
        // The description states the range in prose.
        ValidityPeriod: { type: 'integer', minimum: 1, maximum: 36_000 },
      },
      additionalProperties: false,
    }),
    conditional: creation['x-twilio'].conditional,
  },
  {
    path: pathPattern(FEEDBACK_PATH, feedback.parameters),
    form: compile({ ...feedback.requestBody.content[FORM].schema, additionalProperties: false }),
    conditional: [['outcome']],
  },
];
const messageResource = whole(resources['api.v2010.account.message']);
const feedbackResource = whole(resources['api.v2010.account.message.message_feedback']);

function whole(schema: { readonly properties: object }): ValidateFunction {
  return compile({ ...schema, required: Object.keys(schema.properties), additionalProperties: false });
}

/** Returns a pattern for a path, made from the patterns of its parameters. */
function pathPattern(
  path: string,
  parameters: readonly { readonly name: string; readonly schema: { readonly pattern: string } }[],
): RegExp {
  const pattern = parameters.reduce(
    (before, { name, schema }) => before.replace(`{${name}}`, schema.pattern.slice(1, -1)),
    path.replaceAll('.', '\\.'),
  );
  return new RegExp(`^${pattern}$`);
}

function compile(schema: object): ValidateFunction {
  return ajv.compile({ ...schema, components: twilioApi.components });
}

function faultsIn(validate: ValidateFunction, value: unknown): string[] {
  if (validate(structuredClone(value))) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

function faultsOf({ method, path, headers, form }: SeenRequest): string[] {
  const operation = OPERATIONS.find((known) => method === 'POST' && known.path.test(path));
  if (!operation) return [`no operation ${method} ${path}`];

  const names = [...new Set(form.keys())];
  const members = Object.fromEntries(names.map((name) => [name, form.getAll(name)]));
  const lacking = operation.conditional
    .map((alternatives) => alternatives.map(parameterName))
    .filter((alternatives) => !alternatives.some((name) => form.has(name)))
    .map((alternatives) => `needs ${alternatives.join(' or ')}`);
  return [
    ...(headers['content-type'] === FORM ? [] : ['content type']),
    ...(/^Basic \S+$/.test(headers.authorization ?? '') ? [] : ['credentials']),
    ...lacking,
    ...faultsIn(operation.form, members),
  ];
}

/** `messaging_service_sid` → `MessagingServiceSid` */
function parameterName(name: string): string {
  return name.replace(/(^|_)(.)/g, (_, _gap, letter: string) => letter.toUpperCase());
}

interface Change {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: SeenRequest['headers'];
  readonly [parameter: string]: unknown;
}

/** Changes parameters. Null removes one. */
function changed(request: SeenRequest, { method, path, headers, ...parameters }: Change): SeenRequest {
  const form = new URLSearchParams(request.form);
  for (const [name, value] of Object.entries(parameters)) {
    form.delete(name);
    if (value !== null) form.set(name, String(value));
  }
  return {
    method: method ?? request.method,
    path: path ?? request.path,
    headers: { ...request.headers, ...headers },
    form,
  };
}
