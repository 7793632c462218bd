import cluster, { type Worker } from 'node:cluster';
import { setTimeout as wait } from 'node:timers/promises';
import type { AppConfig } from '#config';
import { type Log, openLog } from './log.js';
import {
  configOrExit,
  endAfter,
  type RunningServer,
  runServer,
  STOP,
  type StartServer,
  stopTimeoutMs,
  untilSignal,
} from './program.js';

/** Keeps a process that ends at once from being replaced without a pause. */
const REPLACE_AFTER_MS = 1_000;

/** After the time in which a process ends by itself. */
const KILL_AFTER_MS = 1_000;

/**
 * Runs a server in `WORKERS` processes that share its port, until a signal. A process that ends before that is
 * replaced. With one process there is nothing to supervise, and the server runs in this one.
 *
 * @param observe starts what only the supervising process serves
 */
export async function runWorkers(
  start: StartServer,
  observe: (config: AppConfig, log: Log) => Promise<RunningServer>,
): Promise<void> {
  if (cluster.isWorker) return runServer(start);
  const config = configOrExit();
  if (config.workers === 1) return runServer(start);
  const log = await openLog(config.logLevel);
  const stopping = untilSignal();
  const observer = await observe(config, log);
  const workers = new Workers(log, config.workers);
  await Promise.race([workers.start(), stopping]);
  const signal = await stopping;
  log.info(`${signal}: stopping ${config.workers} processes`);
  const isClean = await workers.stop(stopTimeoutMs(config) + KILL_AFTER_MS);
  await observer.close();
  endAfter(signal, isClean ? 0 : 1);
}

/** The processes of one server. */
class Workers {
  private isStopping = false;

  constructor(
    private readonly log: Log,
    private readonly count: number,
  ) {}

  /** Starts one process, and the others when it listens. So a wrong setting is reported once, and ends this process. */
  async start(): Promise<void> {
    cluster.on('exit', (worker, code, signal) => void this.replace(worker, signal ?? code));
    const first = cluster.fork();
    const exited = (code: number | null) => process.exit(code ?? 1);
    first.once('exit', exited);
    await new Promise((resolve) => first.once('listening', resolve));
    first.off('exit', exited);
    while (Object.keys(cluster.workers ?? {}).length < this.count) cluster.fork();
  }

  /** Ends all processes, and kills those that take too long. Returns whether all of them ended by themselves. */
  async stop(withinMs: number): Promise<boolean> {
    this.isStopping = true;
    const running = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
    const endings = running.map(async (worker) => {
      const ended = new Promise<boolean>((resolve) => worker.once('exit', (code) => resolve(code === 0)));
      if (worker.isConnected()) worker.send(STOP);
      const isTooLate = await Promise.race([ended.then(() => false), wait(withinMs, true, { ref: false })]);
      if (isTooLate) worker.process.kill('SIGKILL');
      return ended;
    });
    return (await Promise.all(endings)).every(Boolean);
  }

  private async replace({ process: { pid } }: Worker, reason: string | number): Promise<void> {
    if (this.isStopping) return;
    this.log.error(`process ${pid} ended (${reason}); another one starts`);
    await wait(REPLACE_AFTER_MS);
    if (!this.isStopping) cluster.fork();
  }
}
