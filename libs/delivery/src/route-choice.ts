import { Injectable } from '@nestjs/common';
import type { Channel, FallbackConfig, Route } from '#config';
import { MessageProviders, type Recovery } from '#messaging';
import { isReachableBy, kindOfNumber, type Line, type PhoneNumber } from '#phone';

export abstract class DeliveryOptions {
  /** The configured fallback routes; null for none. */
  abstract readonly fallback: FallbackConfig | null;
}

/** Chooses the routes of messages. */
@Injectable()
export class RouteChoice {
  constructor(
    private readonly providers: MessageProviders,
    private readonly options: DeliveryOptions,
  ) {}

  /** Returns the route of the first message. */
  first(channel: Channel): Route {
    return { channel, provider: this.providers.defaultFor(channel).name };
  }

  /** Returns the next configured route that could deliver what the current one could not; null when there is none. */
  next(current: Route, recovery: Recovery, phoneNumber: PhoneNumber): Route | null {
    const { line } = kindOfNumber(phoneNumber);
    return nextRoute(this.options.fallback, this.providers, current, recovery, line);
  }
}

/** Returns the next route in the configured order that the recovery and the line allow; null when there is none. */
export function nextRoute(
  fallback: FallbackConfig | null,
  providers: MessageProviders,
  current: Route,
  recovery: Recovery,
  line: Line,
): Route | null {
  const routes = routesOf(fallback, providers);
  const position = routes.findIndex((route) => isSame(route, current));
  if (position < 0) return null;
  const later = routes.slice(position + 1);
  return (
    later.find((route) => isReachableBy(route.channel, line) && allows(recovery, current, route)) ?? null
  );
}

/** Returns each available route once, even when it is configured with and without its provider: a repeat would loop. */
function routesOf(fallback: FallbackConfig | null, providers: MessageProviders): Route[] {
  const routes = (fallback?.routes ?? []).flatMap(({ channel, provider: name }) => {
    const configured = name ?? (providers.carries(channel) ? providers.defaultFor(channel).name : null);
    const provider = configured && providers.named(configured);
    return provider?.channels.includes(channel) ? [{ channel, provider: provider.name }] : [];
  });
  return routes.filter((route, index) => routes.findIndex((other) => isSame(other, route)) === index);
}

function isSame(one: Route, other: Route): boolean {
  return one.channel === other.channel && one.provider === other.provider;
}

function allows(recovery: Recovery, current: Route, route: Route): boolean {
  if (recovery === 'another_channel') return route.channel !== current.channel;
  if (recovery === 'another_provider') return route.provider !== current.provider;
  return recovery === 'another_route';
}
