import { constants } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { type AppConfig, ConfigurationError, readConfig, readDatabaseConfig } from '#config';
import { findServerFault } from '#redis';
import {
  type DatabaseConfig,
  describeDatabase,
  nameVariable,
  openDatabase,
  prepareTables,
} from './database.js';
import { type Log, openLog } from './log.js';

/** The configuration, the running Postgres and the log of a program. */
export interface ProgramContext {
  readonly config: AppConfig;
  readonly databaseUrl: string;
  readonly log: Log;
}

type DatabaseContext = Pick<ProgramContext, 'databaseUrl' | 'log'> & { readonly config: DatabaseConfig };

export interface RunningServer {
  close(): Promise<void>;
}

export type StartServer = (context: ProgramContext) => Promise<RunningServer>;

/** The message that ends a process of several. A signal may have reached it as well, and twice would end it at once. */
export const STOP = 'latchkey:stop';

/** SIGHUP: the terminal was closed. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** False for a terminal that is closed, so it is asked at the start. */
const HAS_TERMINAL = [0, 1, 2].some((fd) => isatty(fd));

/** EX_CONFIG of sysexits.h: a configuration error. */
const EXIT_CONFIGURATION = 78;

/** Added to the number of the signal that ended a command, as shells do. */
const EXIT_SIGNAL = 128;

/** The time to close connections after the drain, and then to stop the embedded Postgres. */
const AFTER_DRAIN_MS = 1_200;
const STOP_DATABASE_MS = 500;

/**
 * Runs a server until SIGINT, SIGTERM or SIGHUP, then closes it and the embedded Postgres, and exits with 0. The process
 * ends in time although a dependency hangs, also while it starts. SIGINT or SIGTERM again exits at once.
 */
export async function runServer(start: StartServer): Promise<void> {
  const config = configOrExit();
  const log = await openLog(config.logLevel);
  surviveStrayErrors(log);
  for (const warning of config.warnings) log.warn(warning);
  const stopping = untilSignal();
  try {
    const database = await openDatabase(config);
    const running = serve(start, { config, databaseUrl: database.url, log }, stopping);
    const tooLate = stopping.then(() => wait(stopTimeoutMs(config), 'too late' as const));
    const lastMoment = tooLate.then(() => wait(STOP_DATABASE_MS));
    try {
      if ((await Promise.race([running, tooLate])) === 'too late')
        log.warn('a dependency does not answer: the process ends without closing its connections');
    } finally {
      await Promise.race([database.stop(), lastMoment]);
    }
    endAfter(await stopping, 0);
  } catch (error) {
    exitWith(error, log);
  }
}

/** A server may wait SHUTDOWN_DELAY before it closes. */
export function stopTimeoutMs(config: AppConfig): number {
  return config.shutdownDelayMs + config.drainTimeoutMs + AFTER_DRAIN_MS;
}

/** Starts a server and closes it at the signal. A signal before the server is created ends the start. */
async function serve(
  start: StartServer,
  context: ProgramContext,
  stopping: Promise<NodeJS.Signals>,
): Promise<void> {
  const isReady = await Promise.race([prepareStores(context).then(() => true), stopping.then(() => false)]);
  if (!isReady) return;
  const server = await start(context);
  context.log.info(`${await stopping}: closing`);
  await server.close();
}

/** Migrates the database, and fails if Redis can be reached but not used. */
async function prepareStores({ config, databaseUrl }: ProgramContext): Promise<void> {
  await prepareTables(databaseUrl, config).catch(nameVariable(config));
  if (config.redisUrl === null) return;
  const fault = await findServerFault(config.redisUrl);
  if (fault !== null) throw new Error(`cannot use REDIS_URL: ${fault}`);
}

/**
 * Runs a command on the stores of the servers, or until a signal, then stops the embedded Postgres and exits. The command
 * migrates nothing. It logs to standard error, and begins by naming the database there.
 */
export function runCommand(work: (context: ProgramContext) => Promise<void>): Promise<void> {
  const config = configOrExit();
  process.stderr.write(`${describeDatabase(config)}\n`);
  return runWith(config, async (context) => {
    await prepareStores({ ...context, config: { ...config, migrateOnStart: false } });
    await work({ ...context, log: await openLog(config.logLevel, 'stderr') });
  });
}

/**
 * Runs a command that needs nothing but the database: neither a secret nor a message provider. The first line on standard
 * output names the database.
 */
export function runDatabaseCommand(work: (context: DatabaseContext) => Promise<void>): Promise<void> {
  const config: DatabaseConfig = configOrExit(readDatabaseConfig);
  process.stdout.write(`${describeDatabase(config)}\n`);
  return runWith(config, (context) => work(context).catch(nameVariable(config)));
}

async function runWith<Config extends DatabaseConfig>(
  config: Config,
  work: (context: { config: Config; databaseUrl: string; log: Log }) => Promise<void>,
): Promise<void> {
  const log = await openLog(config.logLevel);
  const stopping = untilSignal();
  try {
    const database = await openDatabase(config);
    let signal: NodeJS.Signals | null;
    try {
      signal = await Promise.race([
        work({ config, databaseUrl: database.url, log }).then(() => null),
        stopping,
      ]);
    } finally {
      await database.stop();
    }
    // With `process.exitCode`, which the work may have set.
    if (signal === null) process.exit();
    endAfter(signal, EXIT_SIGNAL + constants.signals[signal]);
  } catch (error) {
    exitWith(error, log);
  }
}

export function configOrExit(read = readConfig): AppConfig {
  try {
    return read();
  } catch (error) {
    exitWith(error);
  }
}

/**
 * Resolves at the first signal. The same signal again exits at once. Another one does not, because npm's wrapper sends
 * SIGTERM when Ctrl-C ended its parent. Nor does a second SIGHUP: a closing terminal and its shell each send one.
 */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of SIGNALS) {
      process.once(signal, () => {
        process.on(signal, () => signal !== 'SIGHUP' && process.exit(1));
        resolve(signal);
      });
    }
    if (process.connected) process.on('message', (message) => message === STOP && resolve('SIGTERM'));
  });
}

/**
 * Exits with the code. After the terminal was closed, the signal itself ends the process: Node aborts at its exit when it
 * cannot restore the settings of the terminal.
 */
export function endAfter(signal: NodeJS.Signals, code: number): never {
  if (signal === 'SIGHUP' && HAS_TERMINAL) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
  process.exit(code);
}

/** Logs stray errors, because a rejection left over from one request must not crash the process. */
function surviveStrayErrors(log: Log): void {
  const report = (error: unknown) => log.error({ stack: (error as Error)?.stack }, 'unhandled error');
  process.on('unhandledRejection', report);
  process.on('uncaughtException', report);
}

function exitWith(error: unknown, log?: Log): never {
  if (error instanceof ConfigurationError) {
    const faults = error.message.replace(/^/gm, '  ');
    process.stderr.write(`Latchkey cannot start. Fix these environment variables:\n${faults}\n`);
    process.exit(EXIT_CONFIGURATION);
  }
  log?.debug({ stack: (error as Error).stack }, 'fatal error');
  process.stderr.write(`Latchkey failed: ${(error as Error).message}\n`);
  process.exit(1);
}
