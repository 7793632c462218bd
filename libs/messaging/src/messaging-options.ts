import type { AppConfig } from '#config';

/** The settings of messaging. The sample codes have the usual and the longest length. */
export abstract class MessagingOptions
  implements
    Pick<
      AppConfig,
      | 'provider'
      | 'twilio'
      | 'httpProvider'
      | 'publicUrl'
      | 'brand'
      | 'autofill'
      | 'locales'
      | 'defaultLocale'
    >
{
  abstract readonly provider: AppConfig['provider'];
  abstract readonly twilio: AppConfig['twilio'];
  abstract readonly httpProvider: AppConfig['httpProvider'];
  abstract readonly publicUrl: AppConfig['publicUrl'];
  abstract readonly brand: AppConfig['brand'];
  abstract readonly autofill: AppConfig['autofill'];
  abstract readonly locales: AppConfig['locales'];
  abstract readonly defaultLocale: AppConfig['defaultLocale'];
  abstract readonly sampleCodes: { readonly usual: string; readonly longest: string };
}
