// Serves the page and the client, and passes all other requests to Latchkey, so that everything has one origin. In production a
// reverse proxy does this.
import { readFile } from 'node:fs/promises';
import { createServer, request as open } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const { LATCHKEY_URL = 'http://localhost:4000', PORT = '3000' } = process.env;

const page = path.join(import.meta.dirname, 'index.html');
const bundles = path.dirname(fileURLToPath(import.meta.resolve('@latchkey/client/browser')));

const server = createServer(async (request, response) => {
  const [pathname] = request.url.split('?', 1);
  const [, bundle] = /^\/latchkey\/([\w-]+\.js)$/.exec(pathname) ?? [];
  if (pathname === '/') return send(response, 'text/html', page);
  if (bundle) return send(response, 'text/javascript', path.join(bundles, bundle));
  forward(request, response);
});

async function send(response, type, file) {
  const body = await readFile(file).catch(() => null);
  response.writeHead(body ? 200 : 404, { 'Content-Type': `${type}; charset=utf-8` }).end(body);
}

function forward(request, response) {
  const { method, headers } = request;
  const forwarded = open(new URL(request.url, LATCHKEY_URL), { method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  forwarded.on('error', () => response.writableEnded || response.writeHead(502).end());
  request.pipe(forwarded);
}

server.listen(Number(PORT), () => console.log(`listening on http://localhost:${server.address().port}`));
