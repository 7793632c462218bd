export { AppModule } from './app.module.js';
export { CommandModule } from './command.module.js';
