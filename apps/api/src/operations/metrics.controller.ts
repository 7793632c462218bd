import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Registry } from 'prom-client';
import { Public } from '#auth';

@ApiExcludeController()
@Controller('metrics')
export class MetricsController {
  private text: Promise<string> | null = null;

  constructor(private readonly registry: Registry) {}

  /** Serves the metrics of this process in the Prometheus text format. Requests at the same time share one text. */
  @Public()
  @Get()
  @Header('content-type', Registry.PROMETHEUS_CONTENT_TYPE)
  read(): Promise<string> {
    this.text ??= this.registry.metrics().finally(() => setImmediate(() => this.forget()));
    return this.text;
  }

  private forget(): void {
    this.text = null;
  }
}
