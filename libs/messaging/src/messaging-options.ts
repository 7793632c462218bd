import type { AppConfig } from '#config';
import type { OwnTexts } from './own-texts.js';

/** The settings of messaging. The sample codes have the usual and the longest length. */
export abstract class MessagingOptions
  implements
    Pick<
      AppConfig,
      'provider' | 'twilio' | 'httpProvider' | 'publicUrl' | 'brand' | 'autofill' | 'defaultLocale'
    >
{
  abstract readonly provider: AppConfig['provider'];
  abstract readonly twilio: AppConfig['twilio'];
  abstract readonly httpProvider: AppConfig['httpProvider'];
  abstract readonly publicUrl: AppConfig['publicUrl'];
  abstract readonly brand: AppConfig['brand'];
  abstract readonly autofill: AppConfig['autofill'];
  /** The languages to write in, of those that have texts. */
  abstract readonly locales: readonly string[];
  abstract readonly defaultLocale: AppConfig['defaultLocale'];
  abstract readonly ownTexts: OwnTexts;
  abstract readonly sampleCodes: { readonly usual: string; readonly longest: string };
}
