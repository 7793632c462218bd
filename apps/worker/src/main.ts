import { NestFactory } from '@nestjs/core';
import { AuthModule } from '#auth';
import { NestLog, runServer } from '#program';

/** Sends what the API accepts, in a process of its own: the same modules without HTTP. */
await runServer(async ({ config, databaseUrl, log }) => {
  const worker = await NestFactory.createApplicationContext(
    AuthModule.forRoot({ ...config, background: true }, databaseUrl),
    { logger: new NestLog(log), abortOnError: false },
  );
  log.info('the worker waits for messages to send');
  return worker;
});
