import { NestFactory } from '@nestjs/core';
import { Registry } from 'prom-client';
import { AppModule } from '#app';
import { ConfigurationError } from '#config';
import { serveMetrics } from '#metrics';
import { NestLog, runServer } from '#program';

/** Sends the messages that the API accepts, in a process of its own: the same modules without HTTP. */
await runServer(async ({ config, databaseUrl, log }) => {
  if (config.provider === 'inbox') {
    const rule = 'must be twilio or http for a worker: the inbox is kept in the memory of the API';
    throw new ConfigurationError([{ name: 'MESSAGE_SENDER', rule }]);
  }
  const modules = AppModule.forRoot({ ...config, background: true }, databaseUrl);
  const worker = await NestFactory.createApplicationContext(modules, {
    logger: new NestLog(log),
    abortOnError: false,
  });
  const registry = worker.get(Registry);
  const metrics = await serveMetrics(() => registry.metrics(), config);
  log.info(`the worker waits for messages to send${metrics ? `; metrics at ${metrics.url}` : ''}`);
  return {
    close: async () => {
      await worker.close();
      metrics?.close();
    },
  };
});
