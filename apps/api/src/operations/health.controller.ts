import { Controller, Get, Optional, ServiceUnavailableException } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { Public } from '#auth';
import { BackgroundService } from '#background';
import { Database } from '#postgres';
import { RedisHealth } from '#redis';
import { ConnectionCloser } from '../http/connection-closer.js';
import { Problems } from '../http/problems.decorator.js';
import { LivenessDto, ReadinessDto } from './health.dto.js';

/** Readiness must become false within two seconds after a dependency is lost. */
const PING_TIMEOUT_MS = 1_500;

@ApiTags('For operators')
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly database: Database,
    private readonly background: BackgroundService,
    private readonly connections: ConnectionCloser,
    @Optional() private readonly redis?: RedisHealth,
  ) {}

  /**
   * Answers 200 while the process runs.
   *
   * Restart the process if it does not answer.
   */
  @ApiOkResponse({ type: LivenessDto, description: 'The process runs.' })
  @Public()
  @Problems()
  @Get('live')
  getLiveness(): LivenessDto {
    return { status: 'ok' };
  }

  /**
   * Reports the state of each dependency.
   *
   * Checks that requests can write to Postgres and add tasks to the queue. Send requests only while the status is 200. Otherwise a dependency is down, or the server is shutting down.
   */
  @ApiOkResponse({ type: ReadinessDto, description: 'Every dependency works.' })
  @Public()
  @Problems()
  @Get('ready')
  async getReadiness(): Promise<ReadinessDto> {
    if (this.connections.isClosing) throw new ServiceUnavailableException();
    const dependencies = {
      postgres: { ping: () => this.database.assertReady() },
      queue: this.background,
      ...(this.redis && { redis: this.redis }),
    };
    const result = await this.health.check(
      Object.entries(dependencies).map(
        ([name, dependency]) =>
          () =>
            this.indicators
              .check(name)
              .attempt(() => dependency.ping())
              .withTimeout(PING_TIMEOUT_MS),
      ),
    );
    return { status: 'ok', dependencies: result.details as ReadinessDto['dependencies'] };
  }
}
