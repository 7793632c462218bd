export { AppConfig, type HttpProviderConfig, type TwilioConfig, type WebhookConfig } from './app-config.js';
export { ConfigurationError, type ConfigurationFault } from './configuration-error.js';
export type { FallbackConfig, FallbackRoute } from './fallback.js';
export { readJsonFile } from './json-file.js';
export { type LimitName, parseRate, type Rate } from './limits.js';
export { LOCALE_TAGS, type LocaleTag } from './locale.js';
export { isLoopback } from './loopback.js';
export { readConfig, readDatabaseConfig } from './read-config.js';
export { CHANNELS, type Channel, PROVIDERS, type ProviderName, type Route } from './route.js';
