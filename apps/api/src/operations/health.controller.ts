import { Controller, Get, Optional } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { Public } from '#auth';
import { Database } from '#postgres';
import { RedisPing } from '#redis';
import { Problems } from '../http/problems.decorator.js';
import { LivenessDto, ReadinessDto } from './health.dto.js';

/** Readiness must turn false within two seconds of a loss. */
const PATIENCE_MS = 1_500;

@ApiTags('For operators')
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly database: Database,
    @Optional() private readonly redis?: RedisPing,
  ) {}

  /** The process runs. Restart it when this does not answer. */
  @Public()
  @Problems()
  @Get('live')
  live(): LivenessDto {
    return { status: 'ok' };
  }

  /** Each dependency by name. Send no requests while this is not 200: something is away, or the server is closing. */
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
              .withTimeout(PATIENCE_MS),
      ),
    );
    return { status: 'ok', dependencies: result.details as ReadinessDto['dependencies'] };
  }
}
