import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '#auth';
import { DeliveryService } from '#delivery';
import { InvalidSignature } from '#errors';
import { ReportForged, type StatusCallback, TwilioReports } from '#messaging';
import { AcceptsForm } from '../http/bodies.js';
import { RawQuery } from '../http/raw-query.js';

/** Mounted only if Twilio can reach `PUBLIC_URL`, and an auth token is configured to check signatures with. */
@ApiExcludeController()
@Controller('v1/webhooks/twilio')
export class TwilioController {
  constructor(
    private readonly reports: TwilioReports,
    private readonly delivery: DeliveryService,
  ) {}

  /**
   * Receives delivery reports from Twilio (status callbacks).
   *
   * Twilio signs them with the account's auth token and the callback URL of the message. Repeated or reordered reports
   * have no further effect.
   */
  @Public()
  @AcceptsForm()
  @Post()
  @HttpCode(204)
  async report(
    @Body() params: Record<string, string | string[]> | undefined,
    @Headers('x-twilio-signature') signature: string | undefined,
    @RawQuery() query: string,
  ): Promise<void> {
    const read = this.read({ signature, query, params: params ?? {} });
    if (read) await this.delivery.report(read.reference, read.report);
  }

  private read(callback: StatusCallback) {
    try {
      return this.reports.read(callback);
    } catch (error) {
      throw error instanceof ReportForged ? new InvalidSignature() : error;
    }
  }
}
