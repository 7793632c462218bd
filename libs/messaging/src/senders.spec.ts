import type { Channel, FallbackConfig, Route, SenderName } from '#config';
import { type Cure, MessageSender, type Receipt } from './message-sender.js';
import { nextRoute, Senders } from './senders.js';

class NamedSender extends MessageSender {
  constructor(
    readonly name: SenderName,
    readonly channels: readonly Channel[],
  ) {
    super();
  }

  async send(): Promise<Receipt> {
    return { providerId: this.name, status: 'sent' };
  }
}

const twilio = new NamedSender('twilio', ['call', 'sms']);
const http = new NamedSender('http', ['sms', 'whatsapp']);
const senders = new Senders([twilio, http]);

describe('Senders', () => {
  it('carry what any of them carries, always in one order', () => {
    expect(senders.channels).toEqual(['sms', 'whatsapp', 'call']);
    expect(new Senders([http]).channels).toEqual(['sms', 'whatsapp']);
    expect(senders.carries('whatsapp')).toBe(true);
    expect(new Senders([twilio]).carries('whatsapp')).toBe(false);
  });

  it('leave a channel to the first that carries it', () => {
    expect(senders.usual('sms')).toBe(twilio);
    expect(new Senders([http, twilio]).usual('sms')).toBe(http);
    expect(senders.usual('whatsapp')).toBe(http);
    expect(() => new Senders([twilio]).usual('whatsapp')).toThrow('nobody carries whatsapp');
  });

  it('are known by name, unless they are gone', () => {
    expect(senders.named('http')).toBe(http);
    expect(senders.named('inbox')).toBeNull();
  });
});

describe('nextRoute', () => {
  it.each<[fallback: string, current: string, cure: Cure, next: string | null]>([
    // What cures
    ['sms>call', 'sms:twilio', 'another_channel', 'call:twilio'],
    ['sms>call', 'sms:twilio', 'another_sender', null],
    ['sms>call', 'sms:twilio', 'another_route', 'call:twilio'],
    ['sms>call', 'sms:twilio', 'same_again', null],
    ['sms>call', 'sms:twilio', 'none', null],
    ['sms>sms:http', 'sms:twilio', 'another_channel', null],
    ['sms>sms:http', 'sms:twilio', 'another_sender', 'sms:http'],
    ['sms>sms:http', 'sms:twilio', 'another_route', 'sms:http'],
    // The first that does
    ['sms>sms:http>call', 'sms:twilio', 'another_channel', 'call:twilio'],
    ['sms>call>sms:http', 'sms:twilio', 'another_sender', 'sms:http'],
    ['sms>call>sms:http', 'sms:twilio', 'another_route', 'call:twilio'],
    ['sms>call>whatsapp', 'sms:twilio', 'another_sender', 'whatsapp:http'],
    // Never back
    ['sms>call', 'call:twilio', 'another_route', null],
    ['sms>whatsapp>call', 'whatsapp:http', 'another_route', 'call:twilio'],
    ['sms>whatsapp>call', 'whatsapp:http', 'another_sender', 'call:twilio'],
    // The usual sender is the same route, named or not
    ['sms:twilio>call', 'sms:twilio', 'another_route', 'call:twilio'],
    ['sms>sms:twilio', 'sms:twilio', 'another_route', null],
    ['sms>call>sms:twilio', 'call:twilio', 'another_route', null],
    // Nobody there
    ['sms>sms:inbox>call', 'sms:twilio', 'another_route', 'call:twilio'],
    ['sms>whatsapp:twilio>call', 'sms:twilio', 'another_route', 'call:twilio'],
    // Not on the way at all
    ['sms>call', 'whatsapp:http', 'another_route', null],
    ['sms>call', 'sms:http', 'another_route', null],
  ])('of %s after %s with %s is %s', (fallback, current, cure, next) => {
    expect(nextRoute(fallbackOf(fallback), senders, routeOf(current), cure)).toEqual(next && routeOf(next));
  });

  it('skips a channel that nobody carries', () => {
    const alone = new Senders([twilio]);

    const next = nextRoute(fallbackOf('sms>whatsapp>call'), alone, routeOf('sms:twilio'), 'another_route');

    expect(next).toEqual(routeOf('call:twilio'));
  });

  it('is none where no fallback is configured', () => {
    expect(nextRoute(null, senders, routeOf('sms:twilio'), 'another_route')).toBeNull();
  });
});

function fallbackOf(path: string): FallbackConfig {
  const routes = path
    .split('>')
    .map((hop): Route => ({ ...routeOf(hop), sender: routeOf(hop).sender ?? null }));
  return { routes, waitMs: 20_000 };
}

function routeOf(text: string) {
  const [channel, sender] = text.split(':') as [Channel, SenderName];
  return { channel, sender };
}
