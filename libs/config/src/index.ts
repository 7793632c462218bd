export {
  type AppConfig,
  ConfigurationError,
  type ConfigurationFault,
  type HttpSenderConfig,
  readConfig,
  type TwilioConfig,
} from './app-config.js';
export {
  CHANNELS,
  type Channel,
  type FallbackConfig,
  type Route,
  SENDERS,
  type SenderName,
} from './fallback.js';
