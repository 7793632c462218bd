import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { SendDeferred, SendRefused } from './message-provider.js';
import { MessageProviders } from './message-providers.js';

/** Tries the credentials of every provider once at start. A failure is a warning: a provider may be away for a while. */
@Injectable()
export class CredentialsCheck implements OnApplicationBootstrap {
  private readonly logger = new Logger('Messaging');

  constructor(private readonly providers: MessageProviders) {}

  /** Does not wait for the answers, so that a provider that hangs delays no start. */
  onApplicationBootstrap(): void {
    for (const provider of this.providers.all) {
      provider.tryCredentials().catch((error: unknown) => this.warn(provider.name, error));
    }
  }

  private warn(provider: string, error: unknown): void {
    const fault = credentialFault(error);
    if (fault) this.logger.warn(`the provider ${provider} ${fault}: no message can be sent through it now`);
  }
}

/**
 * Returns what an error of `tryCredentials` says of the credentials; null for one that says nothing: a restricted API key may
 * not list messages.
 */
export function credentialFault(error: unknown): string | null {
  if (error instanceof SendRefused && error.failure.means === 'outage')
    return `refuses the account or its credentials (error ${error.failure.code})`;
  return error instanceof SendDeferred ? `cannot be reached (${error.reason})` : null;
}
