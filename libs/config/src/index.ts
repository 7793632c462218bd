export {
  type AppConfig,
  ConfigurationError,
  type ConfigurationFault,
  readConfig,
  type TwilioConfig,
} from './app-config.js';
