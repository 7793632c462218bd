import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { FastifyInstance } from 'fastify';
import { serveFromMemory } from './memory-file.js';

const SCRIPT = 'text/javascript; charset=utf-8';

/** Files of the package `swagger-ui-dist`. */
const FILES = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': SCRIPT,
  'favicon-32x32.png': 'image/png',
};

/** Every address is relative, so the page also works behind a proxy that adds a prefix. */
const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Latchkey</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  persistAuthorization: true,
  displayRequestDuration: true,
});
`;

/** Serves the page /docs, which shows /openapi.json. */
export function serveSwaggerUi(fastify: FastifyInstance): void {
  // Jest runs this module as CommonJS, where import.meta.resolve does not exist.
  const require = createRequire(import.meta.url);
  serveFromMemory(fastify, '/docs', 'text/html; charset=utf-8', () => PAGE);
  serveFromMemory(fastify, '/docs/start.js', SCRIPT, () => START);
  for (const [name, type] of Object.entries(FILES))
    serveFromMemory(fastify, `/docs/${name}`, type, () =>
      readFile(require.resolve(`swagger-ui-dist/${name}`)),
    );
  // The addresses in the page are relative to /docs.
  fastify.get('/docs/', (_request, reply) => reply.redirect('../docs', 308));
}
