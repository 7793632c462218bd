import { Injectable, Logger } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';

/** Records security events of sessions: as a log line and on a Prometheus counter. */
@Injectable()
export class SessionEvents {
  private readonly logger = new Logger('Sessions');
  private readonly reuses: Counter;

  constructor(registry: Registry) {
    this.reuses = new Counter({
      name: 'latchkey_refresh_token_reuses_total',
      help: 'Sessions that ended because a refresh token was used again after its reuse window',
      registers: [registry],
    });
  }

  recordReuse(sessionId: string): void {
    this.reuses.inc();
    this.logger.warn({
      msg: 'a refresh token was used again, so its session was ended: it may have been stolen',
      event: 'refresh_token_reused',
      session: sessionId,
    });
  }
}
