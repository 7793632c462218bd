import { Injectable, Logger } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';
import { clientAddressOf } from '#abuse';

const WARN_AGAIN_AFTER_MS = 60_000;

/** The credentials whose failures are reported. */
const KINDS = {
  operator_token: {
    metric: 'latchkey_operator_token_failures_total',
    help: 'Requests to the routes of operators with a wrong token',
    warning: 'a request to the routes of operators had a wrong token',
  },
  client_secret: {
    metric: 'latchkey_client_secret_failures_total',
    help: 'Requests to the routes of clients with wrong credentials',
    warning:
      'a request to the routes of clients had wrong credentials, or those of a client without the purpose',
  },
} as const;
type Kind = keyof typeof KINDS;

interface Failures {
  readonly counter: Counter;
  unreported: number;
  nextWarningAt: number;
}

/**
 * Reports wrong credentials of operators and clients. They are not limited: a random secret cannot be guessed at any rate,
 * and during an attack a limit could keep out an operator who shares an address with the attacker.
 */
@Injectable()
export class CredentialFailures {
  private readonly logger = new Logger('Operations');
  private readonly failures: Readonly<Record<Kind, Failures>>;

  constructor(registry: Registry) {
    const startCounting = (kind: Kind): Failures => {
      const { metric: name, help } = KINDS[kind];
      return { counter: new Counter({ name, help, registers: [registry] }), unreported: 0, nextWarningAt: 0 };
    };
    this.failures = {
      operator_token: startCounting('operator_token'),
      client_secret: startCounting('client_secret'),
    };
  }

  /** Counts a wrong credential. Warns at most once a minute about each kind, with the number since the last warning. */
  record(kind: Kind, address: string): void {
    const failures = this.failures[kind];
    failures.counter.inc();
    failures.unreported += 1;
    const now = Date.now();
    if (now < failures.nextWarningAt) return;
    failures.nextWarningAt = now + WARN_AGAIN_AFTER_MS;
    this.logger.warn({
      msg: KINDS[kind].warning,
      event: `${kind}_rejected`,
      failures: failures.unreported,
      address: clientAddressOf(address).client,
    });
    failures.unreported = 0;
  }
}
