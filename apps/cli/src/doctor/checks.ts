import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DoctorModule, skewOf } from '#app';
import { type AppConfig, ConfigurationError } from '#config';
import { Unavailable } from '#errors';
import { ImageConverterService } from '#images';
import { credentialFault, MessageProviders } from '#messaging';
import { Database } from '#postgres';
import { assertUsable, describeDatabase } from '#program';
import { findServerFault, RedisHealth } from '#redis';
import type { Finding } from './finding.js';

/** A PNG of one pixel. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
);

const TOLERATED_SKEW_MS = 5_000;
const REQUEST_TIMEOUT_MS = 5_000;

type Result = Omit<Finding, 'subject'>;

const ok = (text: string): Result => ({ state: 'ok', text });
const warning = (text: string): Result => ({ state: 'warning', text });
const fault = (text: string): Result => ({ state: 'fault', text });

/**
 * Tries every dependency. Changes nothing, and sends no message.
 *
 * @param databaseUrl the configured Postgres, or the embedded one.
 */
export async function runChecks(config: AppConfig, databaseUrl: string): Promise<Finding[]> {
  const findings: Finding[] = config.warnings.map((text) => ({ subject: 'settings', ...warning(text) }));
  const add = async (subject: string, check: () => Promise<Result>) => {
    const result = await check().catch((error: Error) => fault(messageOf(error)));
    findings.push({ subject, ...result });
    return result.state !== 'fault';
  };
  const hasTables = await add('Postgres', () => checkTables(config, databaseUrl));
  const hasRedis =
    config.redisUrl === null || (await add('Redis', () => checkRights(config.redisUrl as string)));
  let app: INestApplicationContext | undefined;
  if (hasTables && hasRedis)
    await add('start', async () => {
      app = await NestFactory.createApplicationContext(DoctorModule.forRoot(config, databaseUrl), {
        logger: false,
        abortOnError: false,
      });
      return ok('SECRET belongs to this database; files and message texts can be used');
    });
  if (app) {
    await checkServices(app, config, add);
    await app.close();
  }
  const { publicUrl } = config;
  if (publicUrl !== null) await add('PUBLIC_URL', () => checkPublicUrl(publicUrl));
  return findings;
}

async function checkServices(
  app: INestApplicationContext,
  config: AppConfig,
  add: (subject: string, check: () => Promise<Result>) => Promise<boolean>,
): Promise<void> {
  const database = app.get(Database, { strict: false });
  const isReady = await add('Postgres', async () => {
    await database.assertReady();
    return ok('requests can write to every table');
  });
  if (isReady) await add('clocks', () => compareClocks(database, 'Postgres'));
  if (config.redisUrl !== null) {
    const redis = app.get(RedisHealth, { strict: false });
    const canWrite = await add('Redis', async () => {
      await redis.ping();
      const warnings = await redis.memoryWarnings();
      return warnings.length > 0 ? warning(warnings.join('; ')) : ok('requests can write');
    });
    if (canWrite) await add('clocks', () => compareClocks(redis, 'Redis'));
  }
  await add('images', async () => {
    await app.get(ImageConverterService, { strict: false }).toSquares(PIXEL, [1]);
    return ok('avatars can be decoded');
  });
  for (const provider of app.get(MessageProviders, { strict: false }).all) {
    await add(`provider ${provider.name}`, async () => {
      const found = await provider.tryCredentials().then(() => null, credentialFault);
      if (found !== null) return fault(`the provider ${found}: check its variables`);
      return provider.name === 'twilio'
        ? ok('accepts the credentials')
        : ok('is configured; nothing was sent');
    });
  }
}

async function checkTables(config: AppConfig, databaseUrl: string): Promise<Result> {
  await assertUsable(databaseUrl, config);
  return ok(describeDatabase(config).replace(/^database: /, ''));
}

async function checkRights(redisUrl: string): Promise<Result> {
  const found = await findServerFault(redisUrl);
  return found === null ? ok('password, TLS and rights') : fault(`cannot use REDIS_URL: ${found}`);
}

async function compareClocks(clock: { now(): Promise<Date> }, store: string): Promise<Result> {
  const from = Date.now();
  const now = await clock.now();
  const skewMs = skewOf(now.getTime(), { from, to: Date.now() });
  if (Math.abs(skewMs) <= TOLERATED_SKEW_MS) return ok(`this machine and ${store} agree`);
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  return warning(`this machine and ${store} differ by ${seconds} s: synchronize both (NTP)`);
}

/** The server may not run yet, so a failure is a warning. */
async function checkPublicUrl(publicUrl: string): Promise<Result> {
  const cure = 'is the server running, and does the proxy lead to it?';
  try {
    const { status } = await fetch(`${publicUrl}/health/live`, {
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    return status === 200 ? ok('leads to a server') : warning(`answers ${status} at /health/live: ${cure}`);
  } catch (error) {
    const { code = (error as Error).name } = ((error as Error).cause ?? {}) as { code?: string };
    return warning(`cannot be reached (${code}): ${cure}`);
  }
}

function messageOf(error: Error): string {
  if (error instanceof ConfigurationError) return error.message.replaceAll('\n', '; ');
  const cause =
    error instanceof Unavailable && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return error instanceof Unavailable ? `${error.dependency} does not answer${cause}` : error.message;
}
