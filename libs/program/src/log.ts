import type { LoggerService } from '@nestjs/common';
import { type Logger, pino } from 'pino';

export type Log = Logger;

/** Opens the log of the process: JSON lines on standard output, without bodies, headers or query strings. */
export function openLog(level: string): Log {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime });
}

/** Passes the log lines of Nest and of our services to the log of the process. */
export class NestLog implements LoggerService {
  constructor(private readonly target: Log) {}

  // Nest logs every module and route that it loads, which is useful for debugging only.
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
    // The members of a plain object become members of the line.
    if (typeof message === 'object' && message?.constructor === Object)
      this.target[level]({ context, stack, ...message });
    else this.target[level]({ context, stack }, String(message));
  }
}
