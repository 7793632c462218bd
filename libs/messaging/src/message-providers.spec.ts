import { NamedProvider } from '../../../test/support/named-provider.js';
import { MessageProviders } from './message-providers.js';

const twilio = new NamedProvider('twilio', ['call', 'sms']);
const http = new NamedProvider('http', ['sms', 'whatsapp']);
const providers = new MessageProviders([twilio, http]);

describe('MessageProviders', () => {
  it('lists the channels of all providers in a fixed order', () => {
    expect(providers.channels).toEqual(['sms', 'whatsapp', 'call']);
    expect(new MessageProviders([http]).channels).toEqual(['sms', 'whatsapp']);
    expect(providers.carries('whatsapp')).toBe(true);
    expect(new MessageProviders([twilio]).carries('whatsapp')).toBe(false);
  });

  it('returns the first provider of a channel as its default', () => {
    expect(providers.defaultFor('sms')).toBe(twilio);
    expect(new MessageProviders([http, twilio]).defaultFor('sms')).toBe(http);
    expect(providers.defaultFor('whatsapp')).toBe(http);
    expect(() => new MessageProviders([twilio]).defaultFor('whatsapp')).toThrow(
      'no provider carries whatsapp',
    );
  });

  it('finds a provider by name and returns null for one that is not configured', () => {
    expect(providers.named('http')).toBe(http);
    expect(providers.named('inbox')).toBeNull();
  });
});
