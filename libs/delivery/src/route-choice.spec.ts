import type { Channel, FallbackConfig, FallbackRoute, ProviderName } from '#config';
import { MessageProviders, type Recovery } from '#messaging';
import { NamedProvider } from '../../../test/support/named-provider.js';
import { nextRoute } from './route-choice.js';

const twilio = new NamedProvider('twilio', ['call', 'sms']);
const http = new NamedProvider('http', ['sms', 'whatsapp']);
const providers = new MessageProviders([twilio, http]);

describe('nextRoute', () => {
  it.each<[fallback: string, current: string, recovery: Recovery, next: string | null]>([
    // The recovery decides
    ['sms>call', 'sms:twilio', 'another_channel', 'call:twilio'],
    ['sms>call', 'sms:twilio', 'another_provider', null],
    ['sms>call', 'sms:twilio', 'another_route', 'call:twilio'],
    ['sms>call', 'sms:twilio', 'same_route', null],
    ['sms>call', 'sms:twilio', 'none', null],
    ['sms>sms:http', 'sms:twilio', 'another_channel', null],
    ['sms>sms:http', 'sms:twilio', 'another_provider', 'sms:http'],
    ['sms>sms:http', 'sms:twilio', 'another_route', 'sms:http'],
    // The first route that fits
    ['sms>sms:http>call', 'sms:twilio', 'another_channel', 'call:twilio'],
    ['sms>call>sms:http', 'sms:twilio', 'another_provider', 'sms:http'],
    ['sms>call>sms:http', 'sms:twilio', 'another_route', 'call:twilio'],
    ['sms>call>whatsapp', 'sms:twilio', 'another_provider', 'whatsapp:http'],
    // Never an earlier route
    ['sms>call', 'call:twilio', 'another_route', null],
    ['sms>whatsapp>call', 'whatsapp:http', 'another_route', 'call:twilio'],
    ['sms>whatsapp>call', 'whatsapp:http', 'another_provider', 'call:twilio'],
    // The default provider is the same route with and without its name
    ['sms:twilio>call', 'sms:twilio', 'another_route', 'call:twilio'],
    ['sms>sms:twilio', 'sms:twilio', 'another_route', null],
    ['sms>call>sms:twilio', 'call:twilio', 'another_route', null],
    // A provider that is not configured
    ['sms>sms:inbox>call', 'sms:twilio', 'another_route', 'call:twilio'],
    ['sms>whatsapp:twilio>call', 'sms:twilio', 'another_route', 'call:twilio'],
    // A route that is not configured
    ['sms>call', 'whatsapp:http', 'another_route', null],
    ['sms>call', 'sms:http', 'another_route', null],
  ])('returns for %s after %s with recovery %s: %s', (fallback, current, recovery, next) => {
    expect(nextRoute(fallbackOf(fallback), providers, routeOf(current), recovery, 'mobile')).toEqual(
      next && routeOf(next),
    );
  });

  it.each([
    ['sms>call', 'sms:twilio', 'call:twilio'],
    ['call>sms', 'call:twilio', null],
    ['call>whatsapp>sms', 'call:twilio', null],
  ])('returns for %s after %s on a landline: %s', (fallback, current, next) => {
    const found = nextRoute(fallbackOf(fallback), providers, routeOf(current), 'another_route', 'fixed');

    expect(found).toEqual(next && routeOf(next));
  });

  it('skips a channel without a provider', () => {
    const alone = new MessageProviders([twilio]);

    const next = nextRoute(
      fallbackOf('sms>whatsapp>call'),
      alone,
      routeOf('sms:twilio'),
      'another_route',
      'mobile',
    );

    expect(next).toEqual(routeOf('call:twilio'));
  });

  it('returns null without a configured fallback', () => {
    expect(nextRoute(null, providers, routeOf('sms:twilio'), 'another_route', 'mobile')).toBeNull();
  });
});

function fallbackOf(path: string): FallbackConfig {
  const routes = path
    .split('>')
    .map(
      (hop): FallbackRoute => ({ channel: routeOf(hop).channel, provider: routeOf(hop).provider ?? null }),
    );
  return { routes, waitMs: 20_000 };
}

function routeOf(text: string) {
  const [channel, provider] = text.split(':') as [Channel, ProviderName];
  return { channel, provider };
}
