import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type AbuseEvent, AbuseEvents, BreakerService, type EventDetails } from '#abuse';
import { BackgroundService } from '#background';
import { type WebhookEvent, WebhookEvents } from '#webhooks';

/** The warnings of the abuse policy that are about money. */
const CAPS = new Set(['spend_per_day', 'spend_per_country']);

/** Tells the receiver of webhooks of trips of the breaker and of caps that are nearly reached. */
@Injectable()
export class AbuseWebhooksService implements OnModuleInit {
  constructor(
    private readonly abuse: AbuseEvents,
    private readonly breaker: BreakerService,
    private readonly webhooks: WebhookEvents,
    private readonly background: BackgroundService,
  ) {}

  onModuleInit(): void {
    this.abuse.listen((event, details) => {
      const webhook = this.webhookOf(event, details);
      if (webhook) this.background.run('store a webhook', () => this.webhooks.add(webhook, null));
    });
  }

  /** Returns null for an event that is not sent. */
  private webhookOf(event: AbuseEvent, { name, ...details }: EventDetails): WebhookEvent | null {
    if (event === 'tripped') {
      const { scope, action, until } = details;
      const block = { block_id: String(scope), kind: name, action: String(action), until: String(until) };
      return { type: 'block.tripped', data: { ...block, enforced: this.breaker.isEnforced } };
    }
    if (event !== 'warning' || !CAPS.has(name)) return null;
    const data = { cap: name, country: String(details.country), share: Number(details.share) };
    return { type: 'spending.warning', data };
  }
}
