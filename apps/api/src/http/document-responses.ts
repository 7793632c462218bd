import { STATUS_CODES } from 'node:http';
import type { ProblemCode } from '#errors';
import { type Place, problemExample } from './problem.examples.js';
import { PROBLEM_JSON } from './problem.js';

export type Response = {
  description: string;
  headers?: Record<string, object>;
  content?: Record<string, { examples?: Record<string, object> }>;
};
type Reference = { $ref: string };

/** The headers that responses refer to. */
const HEADERS = {
  'X-Request-Id': {
    description:
      'Identifies the request in the logs. Taken from the request if it has 1 to 64 letters, digits and `-._~`.',
    schema: { type: 'string', examples: ['0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e'] },
  },
  'Cache-Control': {
    description: 'Responses must not be cached.',
    schema: { type: 'string', examples: ['no-store'] },
  },
  Vary: {
    description:
      'Responses depend on the bearer token and, if pages of other origins are allowed, on the origin.',
    schema: { type: 'string', examples: ['Authorization'] },
  },
  'WWW-Authenticate': {
    description: 'How to authenticate (RFC 6750, section 3). Not sent with `code_rejected`.',
    schema: { type: 'string', examples: ['Bearer realm="latchkey", error="invalid_token"'] },
  },
  'Retry-After': {
    description: 'Seconds to wait before a retry.',
    schema: { type: 'integer', examples: [27] },
  },
};
type HeaderName = keyof typeof HEADERS;

const ON_SUCCESS: HeaderName[] = ['X-Request-Id', 'Cache-Control', 'Vary'];

/** Problems whose response has a header of its own. */
const ON_PROBLEM: Partial<Record<ProblemCode, HeaderName>> = {
  unauthenticated: 'WWW-Authenticate',
  invalid_token: 'WWW-Authenticate',
  insufficient_scope: 'WWW-Authenticate',
  rate_limited: 'Retry-After',
  sends_suspended: 'Retry-After',
  unavailable: 'Retry-After',
};

/**
 * Completes responses. Problems are components that operations share. They list only the headers of their own: Swagger UI
 * would show the headers of every response with each problem.
 */
export class DocumentResponses {
  private readonly responses: Record<string, Response> = {};
  private readonly headers = new Set<HeaderName>();

  constructor(private readonly publicUrl: string) {}

  /** The components that the completed responses refer to. */
  get components() {
    const headers = Object.entries(HEADERS).filter(([name]) => this.headers.has(name as HeaderName));
    return { responses: this.responses, headers: Object.fromEntries(headers) };
  }

  complete(status: string, response: Response, place: Omit<Place, 'publicUrl'>): Response | Reference {
    const problem = response.content?.[PROBLEM_JSON];
    if (problem) return this.shared(response, { ...place, publicUrl: this.publicUrl });
    return {
      ...response,
      description: response.description || (STATUS_CODES[status] as string),
      headers: { ...response.headers, ...this.referencesTo(ON_SUCCESS) },
    };
  }

  private shared(response: Response, place: Place): Reference {
    const content = response.content?.[PROBLEM_JSON];
    const codes = Object.keys(content?.examples ?? {}) as ProblemCode[];
    const examples = codes.map((code) => [code, { value: problemExample(code, place) }]);
    const headers = codes.flatMap((code) => ON_PROBLEM[code] ?? []);
    const name = componentName(codes, place);
    this.responses[name] = {
      description: response.description,
      ...(headers.length > 0 && { headers: this.referencesTo(headers) }),
      content: { [PROBLEM_JSON]: { ...content, examples: Object.fromEntries(examples) } },
    };
    return { $ref: `#/components/responses/${name}` };
  }

  private referencesTo(names: HeaderName[]): Record<string, Reference> {
    for (const name of names) this.headers.add(name);
    return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
  }
}

/** The paths whose problems have the member `error`. */
const PREFIXES: Record<string, string> = { '/signup': 'SignUp', '/protected': 'Protected' };

/** Examples depend on the path and on the body, so their responses have names of their own. */
function componentName(codes: ProblemCode[], { path, hasBody }: Place): string {
  const names = codes.map((code) => (code === 'invalid_request' && !hasBody ? 'malformed_request' : code));
  const prefix = PREFIXES[path] ?? '';
  return prefix + names.map(pascalCase).join('Or');
}

function pascalCase(code: string): string {
  return code.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
}
