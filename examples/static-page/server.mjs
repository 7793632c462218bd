// Serves the page and the client, and passes the requests below /v1/ to Latchkey, so that everything has one origin. In production
// a reverse proxy does this. Nothing else is passed: the development inbox at /dev/inbox shows all codes.
import { readFile } from 'node:fs/promises';
import { createServer, request as open } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const { LATCHKEY_URL = 'http://localhost:4000', HOST = '127.0.0.1', PORT = '3000' } = process.env;

const page = path.join(import.meta.dirname, 'index.html');
const bundles = path.dirname(fileURLToPath(import.meta.resolve('@latchkey/client/browser')));

const server = createServer(async (request, response) => {
  const [pathname] = request.url.split('?', 1);
  const [, bundle] = /^\/latchkey\/([\w-]+\.js)$/.exec(pathname) ?? [];
  if (pathname === '/') return send(response, 'text/html', page);
  if (bundle) return send(response, 'text/javascript', path.join(bundles, bundle));
  const target = targetOf(request.url);
  if (!target) return response.writeHead(404).end();
  forward(target, request, response);
});

/** Returns the URL of a route of the API, or null. The URL is compared as it is sent: without `..` and with its host. */
function targetOf(url) {
  if (!URL.canParse(url, LATCHKEY_URL)) return null;
  const target = new URL(url, LATCHKEY_URL);
  const isRoute = target.origin === new URL(LATCHKEY_URL).origin && target.pathname.startsWith('/v1/');
  return isRoute ? target : null;
}

async function send(response, type, file) {
  const body = await readFile(file).catch(() => null);
  response.writeHead(body ? 200 : 404, { 'Content-Type': `${type}; charset=utf-8` }).end(body);
}

function forward(target, request, response) {
  const { method, headers } = request;
  const forwarded = open(target, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  forwarded.on('error', () => response.writableEnded || response.writeHead(502).end());
  request.pipe(forwarded);
}

server.listen(Number(PORT), HOST, () => console.log(`listening on http://${HOST}:${server.address().port}`));
