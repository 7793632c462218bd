import { Logger } from '@nestjs/common';
import { pino } from 'pino';
import { NestLog } from './log.js';

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
