import { NestFactory } from '@nestjs/core';
import { AuthModule } from '#auth';
import { ConfigurationError } from '#config';
import { NestLog, runServer } from '#program';

/** Sends what the API accepts, in a process of its own: the same modules without HTTP. */
await runServer(async ({ config, databaseUrl, log }) => {
  if (!config.twilio) {
    const rule = 'must be twilio for a worker: the inbox lives in the memory of the API';
    throw new ConfigurationError([{ name: 'MESSAGE_SENDER', rule }]);
  }
  const modules = AuthModule.forRoot({ ...config, background: true }, databaseUrl);
  const worker = await NestFactory.createApplicationContext(modules, {
    logger: new NestLog(log),
    abortOnError: false,
  });
  log.info('the worker waits for messages to send');
  return worker;
});
