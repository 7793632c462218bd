import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { Logger } from '@nestjs/common';
import { pino } from 'pino';
import { addToLog, inOwnLogContext, newLogContext, runInLogContext } from '#logging';
import { times } from '../../../test/support/repeat.js';
import { LINE_OPTIONS, NestLog } from './log.js';

const LOG = path.join(import.meta.dirname, 'log.ts');
const TYPESCRIPT = path.join(import.meta.dirname, '../../../test/support/typescript.cjs');

describe('NestLog', () => {
  const lines: object[] = [];
  const target = pino(
    { level: 'trace', base: null, timestamp: false },
    { write: (line) => void lines.push(JSON.parse(line)) },
  );
  beforeAll(() => Logger.overrideLogger(new NestLog(target)));
  beforeEach(() => lines.splice(0));
  afterAll(() => Logger.overrideLogger(false));

  const logger = new Logger('Test');

  it.each([
    ['log', 30],
    ['warn', 40],
    ['error', 50],
    ['debug', 20],
    ['verbose', 10],
    ['fatal', 60],
  ] as const)('writes the members of an object as members of the line (%s)', (level, number) => {
    logger[level]({ msg: 'something happened', event: 'happened', n: 1 });
    expect(lines).toEqual([
      { level: number, context: 'Test', msg: 'something happened', event: 'happened', n: 1 },
    ]);
  });

  it('writes the stack of an error', () => {
    logger.error('it failed', 'Error: why\n    at here');
    expect(lines).toEqual([
      { level: 50, context: 'Test', stack: 'Error: why\n    at here', msg: 'it failed' },
    ]);
  });
});

describe('openLog', () => {
  const children: ChildProcess[] = [];
  // A child whose test failed may wait for its input.
  afterEach(() => {
    for (const child of children.splice(0)) child.kill();
  });

  /** Runs a program whose `log` is the log of its process, and that ends by itself. */
  function start(program: string) {
    const main = `require(${JSON.stringify(LOG)}).openLog('info').then((log) => { ${program} })`;
    const child = spawn(process.execPath, ['--require', TYPESCRIPT, '--eval', main]);
    children.push(child);
    return { child, end: once(child, 'close') };
  }

  it('writes every line of a process that exits in the same turn, in order', async () => {
    const { child, end } = start(`for (let n = 0; n < 1_000; n += 1) log.info({ n }); process.exit(3)`);
    const output = await text(child.stdout);
    const numbers = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).n);
    expect(numbers).toEqual(times(1_000, (n) => n));
    expect((await end)[0]).toBe(3);
  });

  it('outlives the reader of its lines', async () => {
    const { child, end } = start(`
      log.info('the first line');
      process.stdin.once('data', () => {
        let lines = 0;
        const timer = setInterval(() => {
          log.info('a line without a reader');
          if (++lines < 20) return;
          clearInterval(timer);
          process.stdin.destroy();
          process.exitCode = 3;
        }, 5);
      });`);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    await once(child.stdout, 'close');
    child.stdin.write('go on');
    expect((await end)[0]).toBe(3);
  });
});

describe('LINE_OPTIONS', () => {
  const lines: object[] = [];
  const { mixin } = LINE_OPTIONS;
  const log = pino(
    { mixin, base: null, timestamp: false },
    { write: (line) => void lines.push(JSON.parse(line)) },
  );
  beforeEach(() => lines.splice(0));

  it('adds what a request or task is about to its lines only, until it ends', async () => {
    const context = newLogContext({ reqId: 'one' });
    await runInLogContext(context, async () => {
      addToLog({ verification: 'q0b7ZnG2' });
      await inOwnLogContext(async () => {
        addToLog({ verification: 'another1' });
        log.info('a task');
      });
      log.info('a request');
      log.child({ reqId: 'one' }).info('a line of its own logger');
      context.hasEnded = true;
      log.info('a connection that the request opened');
    });
    addToLog({ verification: 'no context' });
    log.info('elsewhere');
    expect(lines).toEqual([
      { level: 30, msg: 'a task', verification: 'another1' },
      { level: 30, msg: 'a request', reqId: 'one', verification: 'q0b7ZnG2' },
      { level: 30, msg: 'a line of its own logger', reqId: 'one', verification: 'q0b7ZnG2' },
      { level: 30, msg: 'a connection that the request opened' },
      { level: 30, msg: 'elsewhere' },
    ]);
  });
});
