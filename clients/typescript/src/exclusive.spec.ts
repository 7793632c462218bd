import { exclusiveHere, exclusiveInOrigin } from './exclusive.js';

/** A promise that the test resolves. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

describe.each([
  ['of its own', exclusiveHere],
  ['of the origin', () => exclusiveInOrigin(`spec ${Math.random()}`)],
])('A scope %s', (_, create) => {
  it('runs one work after the other', async () => {
    const exclusive = create();
    const { open, opened } = gate();
    const steps: string[] = [];
    const first = exclusive(async () => {
      steps.push('first begins');
      await opened;
      steps.push('first ends');
    });
    const second = exclusive(async () => {
      steps.push('second');
    });
    open();
    await Promise.all([first, second]);
    expect(steps).toEqual(['first begins', 'first ends', 'second']);
  });

  it('goes on after a failure, which its caller gets', async () => {
    const exclusive = create();
    const failing = exclusive(() => Promise.reject(new Error('no answer')));
    const next = exclusive(async () => 'done');
    await expect(failing).rejects.toThrow('no answer');
    await expect(next).resolves.toBe('done');
  });
});

it('The scope of the origin has one name for all who use it', async () => {
  const { open, opened } = gate();
  let running = 0;
  const work = async () => {
    running += 1;
    await opened;
    running -= 1;
    return running;
  };
  const both = [exclusiveInOrigin('one name')(work), exclusiveInOrigin('one name')(work)];
  open();
  expect(await Promise.all(both)).toEqual([0, 0]);
});
