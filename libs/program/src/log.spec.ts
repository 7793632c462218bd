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

  const logger = new Logger('Room');

  it.each([
    ['log', 30],
    ['warn', 40],
    ['error', 50],
    ['debug', 20],
    ['verbose', 10],
    ['fatal', 60],
  ] as const)('keeps what is said in members as members (%s)', (level, number) => {
    logger[level]({ msg: 'something happened', event: 'happened', n: 1 });
    expect(lines).toEqual([
      { level: number, context: 'Room', msg: 'something happened', event: 'happened', n: 1 },
    ]);
  });

  it('keeps the stack of an error', () => {
    logger.error('it failed', 'Error: why\n    at here');
    expect(lines).toEqual([
      { level: 50, context: 'Room', stack: 'Error: why\n    at here', msg: 'it failed' },
    ]);
  });
});
