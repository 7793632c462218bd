import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Registry } from 'prom-client';
import { abuseMetrics, Public } from '#auth';
import { messagingMetrics } from '#messaging';
import { metrics } from './request-metrics.js';

@ApiExcludeController()
@Controller('metrics')
export class MetricsController {
  /** Prometheus text. */
  @Public()
  @Get()
  @Header('content-type', metrics.contentType)
  read(): Promise<string> {
    return Registry.merge([metrics, abuseMetrics, messagingMetrics]).metrics();
  }
}
