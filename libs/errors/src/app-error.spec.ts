import { NotFound, RateLimited, Unavailable } from './app-error.js';

describe('AppError', () => {
  it.each([new NotFound('user'), new RateLimited('sends_per_number', 30)])(
    'has no stack if a client causes it, and leaves that of other errors (%s)',
    (error) => {
      expect(error.stack).toBe(`${error.name}: ${error.message}`);
      expect(new Error('another').stack).toContain('app-error.spec');
    },
  );

  it('has a stack if a dependency causes it', () => {
    const cause = new Error('why');
    const error = new Unavailable('queue', { cause });
    expect(error.stack).toContain('app-error.spec');
    expect(error.cause).toBe(cause);
  });
});
