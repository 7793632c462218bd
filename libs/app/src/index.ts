export { AppModule } from './app.module.js';
export { LookupModule } from './lookup.module.js';
