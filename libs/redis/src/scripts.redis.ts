import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { asking } from './connection.redis.js';

export type ScriptArgument = string | number;

interface Scripts<Name extends string> {
  /** The folder of the Lua files. Each file says in its header which keys and arguments it takes and what it returns. */
  readonly folder: string;
  /** Distinguishes the commands of this folder from others on the same connection. */
  readonly prefix: string;
  readonly names: readonly Name[];
  /** A file that is prepended to each script. */
  readonly prelude?: string;
}

type Command = (keyCount: number, ...args: ScriptArgument[]) => Promise<unknown>;

/**
 * Defines Lua scripts as commands of the connection, which sends a script's hash rather than its text (EVALSHA).
 *
 * @returns a function that runs a script by name. It throws Unavailable when Redis does not answer.
 */
export function defineScripts<Name extends string>(
  redis: Redis,
  { folder, prefix, names, prelude }: Scripts<Name>,
): (name: Name, keys: readonly string[], args?: readonly ScriptArgument[]) => Promise<unknown> {
  const read = (name: string) => readFileSync(join(folder, `${name}.lua`), 'utf8');
  const head = prelude === undefined ? '' : read(prelude);
  for (const name of names) redis.defineCommand(`${prefix}_${name}`, { lua: head + read(name) });
  const commands = redis as unknown as Record<string, Command>;
  return (name, keys, args = []) =>
    asking((commands[`${prefix}_${name}`] as Command).call(redis, keys.length, ...keys, ...args));
}
