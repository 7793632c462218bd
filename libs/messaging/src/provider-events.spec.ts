import { Logger } from '@nestjs/common';
import { Registry } from 'prom-client';
import { ProviderEvents } from './provider-events.js';

describe('ProviderEvents', () => {
  afterEach(() => jest.restoreAllMocks());

  it('shows a circuit as closed at first, warns when it opens and logs when it closes', async () => {
    const lines: { level: string; line: object }[] = [];
    for (const level of ['log', 'warn'] as const) {
      jest
        .spyOn(Logger.prototype, level as 'log')
        .mockImplementation((line) => void lines.push({ level, line }));
    }
    const registry = new Registry();
    const changed = new ProviderEvents(registry).watchCircuit('http');
    expect(await registry.metrics()).toContain('latchkey_sender_circuit_open{sender="http"} 0');

    changed(true);
    expect(await registry.metrics()).toContain('latchkey_sender_circuit_open{sender="http"} 1');

    changed(false);
    expect(await registry.metrics()).toContain('latchkey_sender_circuit_open{sender="http"} 0');
    expect(lines).toEqual([
      { level: 'warn', line: expect.objectContaining({ event: 'circuit_opened', sender: 'http' }) },
      { level: 'log', line: expect.objectContaining({ event: 'circuit_closed', sender: 'http' }) },
    ]);
  });
});
