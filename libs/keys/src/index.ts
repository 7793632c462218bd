export { WrongSecret } from './data-key.repository.js';
export { Keys, nameSecret } from './keys.js';
export { KeysModule } from './keys.module.js';
export { madeUpSecret } from './made-up-secret.js';
