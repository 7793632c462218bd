import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { logMembers } from '#logging';

export type Log = Logger;

/** The members that every line gets: those of its request or task, and no request id where the logger adds it. */
const mixin: NonNullable<LoggerOptions['mixin']> = (_line, _level, logger) => {
  const { reqId, ...members } = logMembers();
  return reqId === undefined || 'reqId' in logger.bindings() ? members : { reqId, ...members };
};

/** A process that is killed loses the lines of this time. */
const WAIT_FOR_MORE_LINES_MS = 10;

/** The form of the lines, for every log of the process. */
export const LINE_OPTIONS = {
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label) => ({ level: label }) },
  mixin,
} as const satisfies LoggerOptions;

/**
 * Opens the log of the process, without bodies, headers or query strings: JSON lines, or coloured text if the output is a
 * terminal.
 */
export async function openLog(level: string, output: 'stdout' | 'stderr' = 'stdout'): Promise<Log> {
  const options: LoggerOptions = { level, ...LINE_OPTIONS };
  const { fd, isTTY } = process[output];
  if (!isTTY) return pino(options, together(pino.destination(fd)));
  const { default: pretty } = await import('pino-pretty');
  const text = pretty({
    sync: true,
    destination: fd,
    translateTime: 'SYS:HH:MM:ss',
    messageFormat: '{if context}{context}: {end}{msg}',
    ignore: 'context',
  });
  return pino(options, text);
}

/** Writes the lines of a few milliseconds together: a write takes several times as long as to compose a line. */
function together(target: DestinationStream): DestinationStream {
  let lines = '';
  const flush = () => {
    target.write(lines);
    lines = '';
    process.removeListener('exit', flush);
  };
  const write = (line: string) => {
    if (lines === '') {
      setTimeout(flush, WAIT_FOR_MORE_LINES_MS);
      process.once('exit', flush);
    }
    lines += line;
  };
  return { write };
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
