export { WrongSecret } from './data-key.repository.js';
export { developmentSecret } from './development-secret.js';
export { Keys, nameSecret, seal, unseal } from './keys.js';
export { KeyOptions, KeysModule } from './keys.module.js';
