import { Logger } from '@nestjs/common';
import { pino } from 'pino';
import { addToLog, inOwnLogContext, newLogContext, runInLogContext } from '#logging';
import { LINE_OPTIONS, NestLog } from './log.js';

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
