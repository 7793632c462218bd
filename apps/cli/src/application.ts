import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommandModule } from '#app';
import { NestLog, runCommand } from '#program';

/** Runs work with the services of a server, on its stores. Prints the text that the work returns. */
export async function runWithServices(
  work: (app: INestApplicationContext) => Promise<string>,
): Promise<void> {
  await runCommand(async ({ config, databaseUrl, log }) => {
    const app = await NestFactory.createApplicationContext(CommandModule.forRoot(config, databaseUrl), {
      logger: new NestLog(log),
      abortOnError: false,
    });
    try {
      process.stdout.write(`${await work(app)}\n`);
    } finally {
      await app.close();
    }
  });
}
