import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Answer, Client } from './client.js';

export function connectTo({ url }: Client): Socket {
  return connect(Number(new URL(url).port), '127.0.0.1');
}

/** Sends bytes unchanged and reads answers until the server closes the connection. */
export async function sendRaw(client: Client, bytes: string | Buffer): Promise<Answer[]> {
  const socket = connectTo(client);
  // A server that refuses half a request resets the rest of it.
  socket.on('error', () => {});
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(bytes);
  await once(socket, 'close');
  return answersIn(Buffer.concat(chunks));
}

/** Sends bytes unchanged and expects exactly one answer. */
export async function sendRawOnce(client: Client, bytes: string | Buffer): Promise<Answer> {
  const [answer, ...more] = await sendRaw(client, bytes);
  expect(more).toEqual([]);
  return answer as Answer;
}

export function rawGet(target: string, ...fields: string[]): string {
  return [`GET ${target} HTTP/1.1`, 'Host: latchkey', 'Connection: close', ...fields, '', ''].join('\r\n');
}

export function rawPost(path: string, fields: Record<string, string | number>, body = ''): string {
  return [
    `POST ${path} HTTP/1.1`,
    'Host: latchkey',
    'Connection: close',
    'Content-Type: application/json',
    ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
    '',
    body,
  ].join('\r\n');
}

function answersIn(bytes: Buffer): Answer[] {
  if (bytes.length === 0) return [];
  const end = bytes.indexOf('\r\n\r\n') + 4;
  const [statusLine = '', ...fields] = bytes.toString('latin1', 0, end).trim().split('\r\n');
  const [, version, status] = /^HTTP\/(1\.1) (\d{3}) /.exec(statusLine) ?? [];
  expect(version).toBe('1.1');
  const headers = new Headers(fields.map((field) => field.split(/: ?(.*)/, 2) as [string, string]));
  const length = Number(headers.get('content-length') ?? 0);
  const text = bytes.toString('utf8', end, end + length);
  const body = headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
  return [{ status: Number(status), headers, body }, ...answersIn(bytes.subarray(end + length))];
}
