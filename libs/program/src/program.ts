import { type AppConfig, ConfigurationError, readConfig } from '#config';
import { openDatabase, prepareTables } from './database.js';
import { type Log, openLog } from './log.js';

/** The configuration, the running Postgres and the log of a program. */
export interface ProgramContext {
  readonly config: AppConfig;
  readonly databaseUrl: string;
  readonly log: Log;
}

interface Closable {
  close(): Promise<void>;
}

/** EX_CONFIG of sysexits.h: a configuration error. */
const EXIT_CONFIGURATION = 78;

/**
 * Runs a server until SIGINT or SIGTERM, then closes it and the embedded Postgres, and exits with 0.
 * The same signal again exits at once.
 */
export async function runServer(start: (context: ProgramContext) => Promise<Closable>): Promise<void> {
  const config = configOrExit();
  const log = openLog(config.logLevel);
  surviveStrayErrors(log);
  const stopping = untilSignal();
  try {
    const database = await openDatabase(config);
    try {
      await prepareTables(database.url, config).catch(nameVariable(config));
      const server = await start({ config, databaseUrl: database.url, log });
      log.info(`${await stopping}: closing`);
      await server.close();
    } finally {
      await database.stop();
    }
    process.exit(0);
  } catch (error) {
    exitWith(error, log);
  }
}

/** Runs a command against the database, then stops the embedded Postgres and exits. */
export async function runCommand(work: (context: ProgramContext) => Promise<void>): Promise<void> {
  const config = configOrExit();
  const log = openLog(config.logLevel);
  try {
    const database = await openDatabase(config);
    try {
      await work({ config, databaseUrl: database.url, log });
    } finally {
      await database.stop();
    }
    process.exit(0);
  } catch (error) {
    exitWith(error, log);
  }
}

/** Adds DATABASE_URL to an error of the driver, which does not know where its URL comes from. */
function nameVariable({ databaseUrl }: AppConfig) {
  return (cause: Error): never => {
    throw databaseUrl ? new Error(`cannot use DATABASE_URL: ${cause.message}`, { cause }) : cause;
  };
}

function configOrExit(): AppConfig {
  try {
    return readConfig();
  } catch (error) {
    exitWith(error);
  }
}

/**
 * Resolves at the first SIGINT or SIGTERM. The same signal again exits at once. The other one does not, because npm's
 * wrapper sends SIGTERM when Ctrl-C ended its parent.
 */
function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1));
        resolve(signal);
      });
    }
  });
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
