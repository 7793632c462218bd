import { Injectable, Logger } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';

/** What happened, for operators: `would_refuse` is a refusal in monitor mode. */
export type AbuseEvent = 'refused' | 'would_refuse' | 'tripped' | 'released' | 'warning';

interface Details {
  /** The limit, or the kind of scope. */
  readonly name: string;
  /** Anything else that helps; never a number in clear. */
  readonly [detail: string]: string | number | undefined;
}

/** What this room counts, for `GET /metrics`. */
export const abuseMetrics = new Registry();

const events = new Counter({
  name: 'latchkey_abuse_events_total',
  help: 'Refusals, trips, releases and warnings of the abuse policy, by limit or kind of scope',
  labelNames: ['event', 'name'],
  registers: [abuseMetrics],
});

const URGENT = new Set<AbuseEvent>(['tripped', 'warning']);

/** Every refusal, trip, release and warning: a line in the log and one more on a counter. */
@Injectable()
export class AbuseEvents {
  private readonly logger = new Logger('Abuse');

  record(event: AbuseEvent, details: Details): void {
    events.inc({ event, name: details.name });
    const line = { msg: `${event}: ${details.name}`, event, ...details };
    if (URGENT.has(event)) this.logger.warn(line);
    else this.logger.log(line);
  }
}
