import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { AppConfig } from '#config';
import { documentOf } from './document-content.js';
import { serveFromMemory } from './memory-file.js';
import { serveSwaggerUi } from './swagger-ui.js';

const JSON_TYPE = 'application/json; charset=utf-8';

/** Serves Swagger UI at /docs and the OpenAPI document at /openapi.json. */
export function serveDocument(api: NestFastifyApplication, config: AppConfig): void {
  const fastify: FastifyInstance = api.getHttpAdapter().getInstance();
  serveFromMemory(fastify, '/openapi.json', JSON_TYPE, () => JSON.stringify(documentOf(api, config)));
  serveSwaggerUi(fastify);
}
