import { Controller, Get, Optional } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { Public } from '#auth';
import { Database } from '#postgres';
import { RedisPing } from '#redis';
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
    @Optional() private readonly redis?: RedisPing,
  ) {}

  /** Answers 200 while the process runs. Restart the process if it does not answer. */
  @Public()
  @Problems()
  @Get('live')
  live(): LivenessDto {
    return { status: 'ok' };
  }

  /**
   * Reports the state of each dependency.
   *
   * Send requests only while the status is 200. Otherwise a dependency is down, or the server is shutting down.
   */
  @Public()
  @Problems()
  @Get('ready')
  async ready(): Promise<ReadinessDto> {
    const dependencies = { postgres: this.database, ...(this.redis && { redis: this.redis }) };
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
