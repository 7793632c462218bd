import type { INestApplication } from '@nestjs/common';
import { type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { AppConfig } from '#config';
import { documentHeader } from './document-header.js';
import { DocumentResponses, type Response } from './document-responses.js';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;
type Body = { content?: Record<string, { schema?: { $ref?: string } }> };
type Schema = {
  type?: string | string[];
  format?: string;
  description?: string;
  example?: unknown;
  examples?: unknown[];
  properties?: Record<string, Schema>;
  additionalProperties?: unknown;
};

const EXAMPLE_URL = 'http://localhost:4000';

/** Creates the OpenAPI document. The name of a handler is the `operationId`, which clients name their function after. */
export function documentOf(api: INestApplication, config: AppConfig): OpenAPIObject {
  const created = SwaggerModule.createDocument(api, documentHeader(config), {
    operationIdFactory: (_controller, handler) => handler,
    autoTagControllers: false,
  });
  const document = withoutDtoSuffix(created);
  completeSchemas(document);
  completeOperations(document, config.publicUrl ?? EXAMPLE_URL);
  keepUsedTags(document);
  const { openapi, info, servers, tags, paths, components } = document;
  return { openapi, info, servers, tags, paths, components };
}

function withoutDtoSuffix(document: OpenAPIObject): OpenAPIObject {
  const text = JSON.stringify(document).replaceAll(/(#\/components\/schemas\/\w+)Dto"/g, '$1"');
  const renamed = JSON.parse(text) as OpenAPIObject;
  const schemas = Object.entries(renamed.components?.schemas ?? {}).map(([name, schema]) => [
    name.replace(/Dto$/, ''),
    schema,
  ]);
  renamed.components = { ...renamed.components, schemas: Object.fromEntries(schemas) };
  return renamed;
}

function completeSchemas({ components }: OpenAPIObject): void {
  for (const schema of Object.values(components?.schemas ?? {}) as Schema[]) {
    for (const property of Object.values(schema.properties ?? {})) {
      countInIntegers(property);
      if (property.description) property.description = unwrap(property.description);
      // JSON Schema, and so OpenAPI 3.1, has only the plural.
      if ('example' in property) property.examples = [property.example];
      delete property.example;
    }
  }
}

/** Numbers are counts, unless they have a format. */
function countInIntegers(property: Schema): void {
  const { type, format } = property;
  if (format) return;
  if (Array.isArray(type)) property.type = type.map((each) => (each === 'number' ? 'integer' : each));
  else if (type === 'number') property.type = 'integer';
}

function completeOperations(document: OpenAPIObject, publicUrl: string): void {
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema>;
  const responses = new DocumentResponses(publicUrl);
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const operation of Object.values(operations) as Operation[]) {
      splitComment(operation);
      forbidUnknownMembers(operation, schemas);
      // Says that the route is public, where an absent member says nothing.
      operation.security ??= [];
      const place = { path, hasBody: operation.requestBody !== undefined };
      for (const [status, response] of Object.entries(operation.responses) as [string, Response][])
        operation.responses[status] = responses.complete(status, response, place);
    }
  }
  document.components = { ...document.components, ...responses.components };
}

/** The first paragraph of a handler's comment is the summary, which is plain text. The rest is Markdown. */
function splitComment(operation: Operation): void {
  const [summary = '', ...rest] = (operation.summary ?? '').split('\n\n').map(unwrap);
  operation.summary = summary.replaceAll('`', '').replace(/\.$/, '');
  if (rest.length > 0) operation.description = rest.join('\n\n');
}

/** Joins the lines of a comment: Swagger UI would keep the line breaks. */
function unwrap(comment: string): string {
  return comment.replaceAll(/(?<!\n)\n(?!\n)/g, ' ');
}

function forbidUnknownMembers({ requestBody }: Operation, schemas: Record<string, Schema>): void {
  for (const { schema } of Object.values((requestBody as Body | undefined)?.content ?? {})) {
    const name = schema?.$ref?.split('/').at(-1);
    if (name) (schemas[name] as Schema).additionalProperties = false;
  }
}

function keepUsedTags(document: OpenAPIObject): void {
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path) as Operation[]);
  const used = new Set(operations.flatMap(({ tags = [] }) => tags));
  document.tags = document.tags?.filter(({ name }) => used.has(name));
}
