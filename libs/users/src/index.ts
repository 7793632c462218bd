export { UsersModule } from './users.module.js';
export { type User, UsersRepository } from './users.repository.js';
