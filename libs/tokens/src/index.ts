export { TokensModule } from './tokens.module.js';
export { TokensRepository } from './tokens.repository.js';
