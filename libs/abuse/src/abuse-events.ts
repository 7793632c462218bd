import { Inject, Injectable, Logger } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';
import { AbuseOptions } from './abuse-options.js';

/** Kinds of events for operators. `would_refuse` is a refusal in monitor mode, where nothing is refused. */
export type AbuseEvent = 'refused' | 'would_refuse' | 'tripped' | 'released' | 'warning';

/** Log members that describe a request. They never contain an unmasked phone number. */
export type Details = Readonly<Record<string, string>>;

/** Log members that describe an event, with the same rule as `Details`. */
export interface EventFacts {
  readonly [detail: string]: string | number | undefined;
}

export interface EventDetails extends EventFacts {
  /** The limit, or the kind of scope. */
  readonly name: string;
}

export type AbuseListener = (event: AbuseEvent, details: EventDetails) => void;

const URGENT = new Set<AbuseEvent>(['tripped', 'warning']);

/** Records every event of the abuse policy: as a log line and on a Prometheus counter. */
@Injectable()
export class AbuseEvents {
  private readonly logger = new Logger('Abuse');
  private readonly counter: Counter<'event' | 'name'>;
  private listener: AbuseListener = () => {};

  constructor(
    registry: Registry,
    @Inject(AbuseOptions) private readonly options: Pick<AbuseOptions, 'trial'>,
  ) {
    this.counter = new Counter({
      name: 'latchkey_abuse_events_total',
      help: 'Refusals, trips, releases and warnings of the abuse policy, by limit or kind of scope',
      labelNames: ['event', 'name'],
      registers: [registry],
    });
  }

  record(event: AbuseEvent, details: EventDetails): void {
    this.counter.inc({ event, name: details.name });
    const line = { msg: this.messageOf(event, details.name), event, ...details };
    if (URGENT.has(event)) this.logger.warn(line);
    else this.logger.log(line);
    this.listener(event, details);
  }

  /** Sets the listener that gets every event of this process. */
  listen(listener: AbuseListener): void {
    this.listener = listener;
  }

  private messageOf(event: AbuseEvent, name: string): string {
    if (event !== 'would_refuse') return `${event}: ${name}`;
    return `would refuse (${this.options.trial ? 'enforced in production' : 'monitor mode'}): ${name}`;
  }
}
