import { CHANNELS, type Channel, type FallbackConfig, type SenderName } from '#config';
import type { Cure, MessageSender } from './message-sender.js';

/** One way a message takes, its sender said. */
export interface SenderRoute {
  readonly channel: Channel;
  readonly sender: SenderName;
}

/** Whoever carries messages here, the usual one first. */
export class Senders {
  /** What anybody carries. */
  readonly channels: readonly Channel[];

  constructor(readonly all: readonly MessageSender[]) {
    this.channels = CHANNELS.filter((channel) => this.carrierOf(channel) !== undefined);
  }

  carries(channel: Channel): boolean {
    return this.channels.includes(channel);
  }

  /** Whoever usually carries messages of the channel; ask first whether anybody does. */
  usual(channel: Channel): MessageSender {
    const sender = this.carrierOf(channel);
    if (!sender) throw new Error(`nobody carries ${channel}`);
    return sender;
  }

  /** Null for one that is configured no more: messages outlive configurations. */
  named(name: SenderName): MessageSender | null {
    return this.all.find((sender) => sender.name === name) ?? null;
  }

  private carrierOf(channel: Channel): MessageSender | undefined {
    return this.all.find(({ channels }) => channels.includes(channel));
  }
}

/** The next route in the configured order that could bring what the current one could not; null when there is none. */
export function nextRoute(
  fallback: FallbackConfig | null,
  senders: Senders,
  current: SenderRoute,
  cure: Cure,
): SenderRoute | null {
  const routes = routesOf(fallback, senders);
  const position = routes.findIndex((route) => isSame(route, current));
  if (position < 0) return null;
  return routes.slice(position + 1).find((route) => couldCure(cure, current, route)) ?? null;
}

/** Each once, even if it is written both with its sender and without: a route that came back would go round for ever. */
function routesOf(fallback: FallbackConfig | null, senders: Senders): SenderRoute[] {
  const routes = (fallback?.routes ?? []).flatMap(({ channel, sender }) => {
    const carrier = sender ? senders.named(sender) : senders.carries(channel) ? senders.usual(channel) : null;
    return carrier?.channels.includes(channel) ? [{ channel, sender: carrier.name }] : [];
  });
  return routes.filter((route, index) => routes.findIndex((other) => isSame(other, route)) === index);
}

function isSame(one: SenderRoute, other: SenderRoute): boolean {
  return one.channel === other.channel && one.sender === other.sender;
}

function couldCure(cure: Cure, current: SenderRoute, route: SenderRoute): boolean {
  if (cure === 'another_channel') return route.channel !== current.channel;
  if (cure === 'another_sender') return route.sender !== current.sender;
  return cure === 'another_route';
}
