import { Injectable, Logger } from '@nestjs/common';
import { Gauge, Registry } from 'prom-client';
import type { ProviderName } from '#config';

/** Logs changes of the providers' circuits and reports their state as a metric. */
@Injectable()
export class ProviderEvents {
  private readonly logger = new Logger('Messaging');
  private readonly openCircuits: Gauge;

  constructor(registry: Registry) {
    this.openCircuits = new Gauge({
      name: 'latchkey_sender_circuit_open',
      help: '1 while the circuit breaker sends nothing through the provider',
      labelNames: ['sender'],
      registers: [registry],
      aggregator: 'max',
    });
  }

  /** Shows the provider's circuit as closed, and returns a listener for its changes. */
  watchCircuit(provider: ProviderName): (isOpen: boolean) => void {
    const labels = { sender: provider };
    this.openCircuits.set(labels, 0);
    return (isOpen) => {
      this.openCircuits.set(labels, isOpen ? 1 : 0);
      if (isOpen)
        this.logger.warn({
          msg: `sending through ${provider} is paused`,
          event: 'circuit_opened',
          ...labels,
        });
      else
        this.logger.log({
          msg: `sending through ${provider} has resumed`,
          event: 'circuit_closed',
          ...labels,
        });
    };
  }
}
