import { codeMessage } from './code-message.js';

describe('codeMessage', () => {
  it.each([
    [300, '5 minutes'],
    [299, '5 minutes'],
    [240, '4 minutes'],
    [89, '1 minute'],
    [55, '1 minute'],
    [54, '54 seconds'],
    [1, '1 second'],
  ])('with %d seconds left says %s, and fits one segment', (seconds, time) => {
    const text = codeMessage('1234567890', seconds);
    expect(text).toContain(`good for ${time}.`);
    expect(text).toContain('1234567890');
    expect(text.length).toBeLessThanOrEqual(160);
  });
});
