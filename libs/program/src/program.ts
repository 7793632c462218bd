import { type AppConfig, ConfigurationError, readConfig } from '#config';
import { openDatabase, prepareTables } from './database.js';
import { type Log, openLog } from './log.js';

/** What every program of ours is given once its configuration is read and its Postgres is ready. */
export interface Surroundings {
  readonly config: AppConfig;
  readonly databaseUrl: string;
  readonly log: Log;
}

interface Closable {
  close(): Promise<void>;
}

/** sysexits.h, EX_CONFIG: something was found in an unconfigured or misconfigured state. */
const EXIT_CONFIGURATION = 78;

/**
 * Runs a server until SIGINT or SIGTERM, then closes it and the embedded Postgres, and exits with 0.
 * A second signal does not wait.
 */
export async function runServer(start: (surroundings: Surroundings) => Promise<Closable>): Promise<void> {
  const config = configOrExit();
  const log = openLog(config.logLevel);
  surviveStrayErrors(log);
  const stopping = untilSignal();
  try {
    const database = await openDatabase(config);
    try {
      await prepareTables(database.url, config).catch(explainDatabase(config));
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

/** Does one thing with the database and exits. */
export async function runCommand(work: (surroundings: Surroundings) => Promise<void>): Promise<void> {
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

/** Drivers say what went wrong, but not which variable it was about. */
function explainDatabase({ databaseUrl }: AppConfig) {
  return (cause: Error): never => {
    throw databaseUrl ? new Error(`the Postgres of DATABASE_URL: ${cause.message}`, { cause }) : cause;
  };
}

function configOrExit(): AppConfig {
  try {
    return readConfig();
  } catch (error) {
    exitWith(error);
  }
}

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

/** A fault in one request's left-overs must not end everybody else's. */
function surviveStrayErrors(log: Log): void {
  const report = (error: unknown) =>
    log.error({ stack: (error as Error)?.stack }, 'an error that nobody waited for');
  process.on('unhandledRejection', report);
  process.on('uncaughtException', report);
}

function exitWith(error: unknown, log?: Log): never {
  if (error instanceof ConfigurationError) {
    const faults = error.message.replace(/^/gm, '  ');
    process.stderr.write(`Latchkey cannot start with this environment:\n${faults}\n`);
    process.exit(EXIT_CONFIGURATION);
  }
  log?.debug({ stack: (error as Error).stack }, 'the cause');
  process.stderr.write(`Latchkey cannot go on: ${(error as Error).message}\n`);
  process.exit(1);
}
