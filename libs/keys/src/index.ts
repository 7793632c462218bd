export { WrongSecret } from './data-key.repository.js';
export { Keys } from './keys.js';
export { KeysModule } from './keys.module.js';
export { madeUpSecret } from './made-up-secret.js';
