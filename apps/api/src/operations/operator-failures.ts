import { Injectable, Logger } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';
import { clientAddressOf } from '#abuse';

const WARN_AGAIN_AFTER_MS = 60_000;

/**
 * Reports wrong tokens at the routes of operators. They are not limited: a random token cannot be guessed at any rate,
 * and during an attack a limit could keep out an operator who shares an address with the attacker.
 */
@Injectable()
export class OperatorFailures {
  private readonly logger = new Logger('Operations');
  private readonly counter: Counter;
  private unreported = 0;
  private nextWarningAt = 0;

  constructor(registry: Registry) {
    this.counter = new Counter({
      name: 'latchkey_operator_token_failures_total',
      help: 'Requests to the routes of operators with a wrong token',
      registers: [registry],
    });
  }

  /** Counts a wrong token. Warns at most once a minute, with the number since the last warning. */
  record(address: string): void {
    this.counter.inc();
    this.unreported += 1;
    const now = Date.now();
    if (now < this.nextWarningAt) return;
    this.nextWarningAt = now + WARN_AGAIN_AFTER_MS;
    this.logger.warn({
      msg: 'a request to the routes of operators had a wrong token',
      event: 'operator_token_rejected',
      failures: this.unreported,
      address: clientAddressOf(address).client,
    });
    this.unreported = 0;
  }
}
