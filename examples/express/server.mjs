// An API on Express. It asks Latchkey about the token of each request, so a user who signs out is refused at once.
import { expressAuth, identityOf, introspectionVerifier } from '@latchkey/client/server';
import express from 'express';

const {
  LATCHKEY_URL = 'http://localhost:4000',
  LATCHKEY_CLIENT_ID,
  LATCHKEY_CLIENT_SECRET,
  HOST = '127.0.0.1',
  PORT = '3000',
} = process.env;

if (!LATCHKEY_CLIENT_ID || !LATCHKEY_CLIENT_SECRET) {
  console.error('Set LATCHKEY_CLIENT_ID and LATCHKEY_CLIENT_SECRET; see examples/README.md.');
  process.exit(1);
}

// Wrong credentials are written to the standard error once. Requests are answered with 500 then.
const verify = introspectionVerifier({
  url: LATCHKEY_URL,
  clientId: LATCHKEY_CLIENT_ID,
  clientSecret: LATCHKEY_CLIENT_SECRET,
});

const app = express();
app.get('/', (_request, response) => response.send('The orders are at /orders.'));
app.use('/orders', expressAuth(verify));
app.get('/orders', (request, response) => {
  const { sub } = identityOf(request);
  response.json({ user: sub, orders: [] });
});

const server = app.listen(Number(PORT), HOST, (error) => {
  if (error) throw error;
  console.log(`listening on http://${HOST}:${server.address().port}`);
});
