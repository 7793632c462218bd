import type { LoggerService } from '@nestjs/common';
import { type Logger, pino } from 'pino';

export type Log = Logger;

/** One logger for the process: JSON lines on standard output. Nothing logs bodies, headers or query strings. */
export function openLog(level: string): Log {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime });
}

/** What Nest and the libraries log, through the same logger. */
export class NestLog implements LoggerService {
  constructor(private readonly target: Log) {}

  // Nest announces every module and route it loads, which is of interest to nobody but its debugger.
  log = (message: unknown, context?: string) =>
    context && /^(Nest|Routes|Router|Instance)/.test(context)
      ? this.debug(message, context)
      : this.write('info', message, context);
  warn = (message: unknown, context?: string) => this.write('warn', message, context);
  debug = (message: unknown, context?: string) => this.write('debug', message, context);
  verbose = (message: unknown, context?: string) => this.write('trace', message, context);
  fatal = (message: unknown, context?: string) => this.write('fatal', message, context);

  error(message: unknown, stack?: string, context?: string): void {
    this.write('error', message, context, stack);
  }

  private write(
    level: 'info' | 'warn' | 'error' | 'debug' | 'trace' | 'fatal',
    message: unknown,
    context?: string,
    stack?: string,
  ): void {
    // What is said in members stays in members.
    if (typeof message === 'object' && message?.constructor === Object)
      this.target[level]({ context, stack, ...message });
    else this.target[level]({ context, stack }, String(message));
  }
}
