export { TokensModule } from './tokens.module.js';
export { TokenPolicy, TokensRepository } from './tokens.repository.js';
