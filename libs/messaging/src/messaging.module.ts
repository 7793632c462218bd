import { Injectable, Logger, Module, type OnModuleInit } from '@nestjs/common';
import { CredentialsCheck } from './credentials-check.js';
import { callbackUrlFor, TwilioReports } from './delivery-reports.twilio.js';
import { LocaleChoice } from './locale.js';
import { checkAllMessages } from './message-check.js';
import { InboxProvider } from './message-provider.inbox.js';
import type { MessageProvider } from './message-provider.js';
import { MessageProviders } from './message-providers.js';
import { MessagingOptions } from './messaging-options.js';
import { textsByLocale } from './own-texts.js';
import { ProviderEvents } from './provider-events.js';
import { Templates } from './templates.js';

/**
 * Checks the messages at start. Logs a warning where only the longest codes do not fit one SMS, and for WhatsApp without
 * a template.
 */
@Injectable()
class MessageCheck implements OnModuleInit {
  private readonly warnings: readonly string[];

  /** @throws ConfigurationError as `checkAllMessages` does. */
  constructor(options: MessagingOptions) {
    this.warnings = checkAllMessages(options);
  }

  onModuleInit(): void {
    for (const warning of this.warnings) new Logger('Messaging').warn(warning);
  }
}

/** Providers and texts of messages. The application provides `MessagingOptions`. */
@Module({
  providers: [
    MessageCheck,
    CredentialsCheck,
    ProviderEvents,
    InboxProvider,
    {
      provide: MessageProviders,
      inject: [MessagingOptions, ProviderEvents, InboxProvider],
      useFactory: createProviders,
    },
    { provide: TwilioReports, inject: [MessagingOptions], useFactory: createTwilioReports },
    {
      provide: Templates,
      inject: [MessagingOptions],
      useFactory: (options: MessagingOptions) =>
        new Templates(options, textsByLocale(options.ownTexts), options.ownTexts.countries),
    },
    {
      provide: LocaleChoice,
      inject: [MessagingOptions],
      useFactory: (options: MessagingOptions) => new LocaleChoice(options),
    },
  ],
  exports: [MessageProviders, InboxProvider, TwilioReports, Templates, LocaleChoice],
})
export class MessagingModule {}

/** Loads the providers that are configured, so that a process loads no library of another one. */
async function createProviders(
  options: MessagingOptions,
  events: ProviderEvents,
  inbox: InboxProvider,
): Promise<MessageProviders> {
  if (options.provider === 'inbox') return new MessageProviders([inbox]);
  const { GuardedProvider } = await import('./circuit-breaker.js');
  const guarded = (await configuredProviders(options)).map(
    (provider) => new GuardedProvider(provider, events.watchCircuit(provider.name)),
  );
  return new MessageProviders(guarded);
}

/** Returns the configured providers, the default one first. */
async function configuredProviders({
  provider,
  publicUrl,
  twilio,
  httpProvider,
}: MessagingOptions): Promise<MessageProvider[]> {
  const providers: MessageProvider[] = [];
  if (twilio) {
    const { TwilioProvider } = await import('./message-provider.twilio.js');
    providers.push(new TwilioProvider(twilio, callbackUrlFor(publicUrl, twilio)));
  }
  if (httpProvider) {
    const { HttpProvider } = await import('./message-provider.http.js');
    providers.push(new HttpProvider(httpProvider));
  }
  return provider === 'http' ? providers.reverse() : providers;
}

/** Returns null where Twilio cannot report; the API then has no endpoint for its reports. */
function createTwilioReports({ twilio, publicUrl }: MessagingOptions): TwilioReports | null {
  const callbackUrl = twilio && callbackUrlFor(publicUrl, twilio);
  return twilio && callbackUrl ? new TwilioReports(twilio, callbackUrl) : null;
}
