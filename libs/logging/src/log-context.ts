import { AsyncLocalStorage } from 'node:async_hooks';
import { PromiseContext } from './promise-context.js';

/** Members of log lines. They never contain a code, a whole verification id or a phone number. */
export type LogMembers = Readonly<Record<string, string>>;

/** The subject of one request or task. Every log line written during it gets these members. */
export interface LogContext {
  members: LogMembers;
  /** Returns the IP address of the client; null for a task. No line has it. */
  readonly clientAddress: () => string | null;
  /** Connections and timers that the request created outlive it. Their lines are not about the request. */
  hasEnded: boolean;
}

/** The first version whose `AsyncLocalStorage` does not follow timers and sockets. */
const CHEAP_SINCE = 24;

const isCheap = Number.parseInt(process.versions.node, 10) >= CHEAP_SINCE;
const storage = isCheap ? new AsyncLocalStorage<LogContext>() : new PromiseContext<LogContext>();

export function newLogContext(
  members: LogMembers = {},
  clientAddress: () => string | null = () => null,
): LogContext {
  return { members, clientAddress, hasEnded: false };
}

export function runInLogContext<T>(context: LogContext, work: () => T): T {
  return storage.run(context, work);
}

/** Runs a task in a log context of its own, which ends with it. */
export async function inOwnLogContext<T>(task: () => Promise<T>): Promise<T> {
  const context = newLogContext();
  try {
    return await storage.run(context, task);
  } finally {
    context.hasEnded = true;
  }
}

/** Adds members to the lines that the current request or task still writes. Does nothing outside of both. */
export function addToLog(members: LogMembers): void {
  const context = storage.getStore();
  if (context) context.members = { ...context.members, ...members };
}

/** Returns the members of the current request or task; none outside of both. */
export function logMembers(): LogMembers {
  const context = storage.getStore();
  return context && !context.hasEnded ? context.members : {};
}

/** Returns the IP address of the client of the current request; null outside of one. */
export function clientAddress(): string | null {
  const context = storage.getStore();
  return context && !context.hasEnded ? context.clientAddress() : null;
}

/** Ends all log contexts. For a process that loads this file several times, as Jest does. */
export function disableLogContexts(): void {
  storage.disable();
}
