import { deliveryChanges, isFinal } from './delivery.js';
import { LatchkeyError } from './latchkey-error.js';

type State = Parameters<typeof isFinal>[0];

const state = (delivery: string, status = 'pending') => ({ status, delivery: { status: delivery } }) as State;

describe('The delivery of a verification', () => {
  it.each([
    ['pending', 'queued', false],
    ['pending', 'sent', false],
    ['pending', 'delivered', true],
    ['pending', 'undelivered', true],
    ['pending', 'failed', true],
    ['approved', 'sent', true],
    ['canceled', 'queued', true],
    ['expired', 'sent', true],
    ['max_attempts_reached', 'sent', true],
  ])('that is %s and %s is final: %s', (status, delivery, final) => {
    expect(isFinal(state(delivery, status))).toBe(final);
  });

  async function follow(first: State, next: () => Promise<State | null>): Promise<string[]> {
    const seen = [];
    for await (const { delivery } of deliveryChanges(first, next)) seen.push(delivery.status);
    return seen;
  }

  it('is followed to its end', async () => {
    const states = [state('sent'), state('delivered'), state('never asked for')];
    expect(await follow(state('queued'), async () => states.shift() as State)).toEqual([
      'queued',
      'sent',
      'delivered',
    ]);
  });

  it('that is final already is not asked for', async () => {
    const next = jest.fn();
    expect(await follow(state('delivered'), next)).toEqual(['delivered']);
    expect(next).not.toHaveBeenCalled();
  });

  it('is no longer followed after a refusal', async () => {
    const gone = new LatchkeyError({ code: 'not_found', status: 404, detail: 'gone' });
    await expect(follow(state('queued'), () => Promise.reject(gone))).rejects.toBe(gone);
  });
});
