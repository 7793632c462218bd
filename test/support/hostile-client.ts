import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { times } from './repeat.js';
import type { ServerProcess } from './server-process.js';

/** The open descriptors and the memory of a server process. */
export function resourcesOf({ pid }: ServerProcess): { descriptors: number; megabytes: number } {
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return { descriptors: readdirSync(`/proc/${pid}/fd`).length, megabytes: Number(kilobytes) / 1_024 };
}

/** Opens connections that send these bytes and never read. */
export function silentClients(
  { client }: ServerProcess,
  count: number,
  bytes: string,
  localAddress = '127.0.0.1',
): Socket[] {
  return times(count, () => {
    const socket = connect({ port: Number(new URL(client.url).port), host: '127.0.0.1', localAddress });
    socket.on('error', () => {});
    socket.pause();
    socket.write(bytes);
    return socket;
  });
}
