import { Body, Controller, Headers, HttpCode, Post, Req } from '@nestjs/common';
import { ApiConsumes, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Deliveries, Public } from '#auth';
import { InvalidSignature } from '#errors';
import { ReportForged, TwilioReports } from '#messaging';
import { AcceptsForm } from '../http/bodies.js';
import { Problems } from '../http/problems.decorator.js';

/** There only where Twilio can reach it, and its signature can be checked. */
@ApiTags('For providers')
@Controller('v1/webhooks/twilio')
export class TwilioController {
  constructor(
    private readonly reports: TwilioReports,
    private readonly deliveries: Deliveries,
  ) {}

  /**
   * Takes Twilio's status callbacks.
   *
   * They are signed with the account's auth token for the address that this server gave with the message. Repeating
   * one, or sending them in another order, changes nothing.
   */
  @Public()
  @ApiConsumes('application/x-www-form-urlencoded')
  @Problems('invalid_request', 'invalid_signature', 'payload_too_large', 'unsupported_media_type')
  @AcceptsForm()
  @Post()
  @HttpCode(204)
  async report(
    @Body() params: Record<string, string | string[]> | undefined,
    @Headers('x-twilio-signature') signature: string | undefined,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    const query = request.url.slice(request.routeOptions.url?.length);
    const report = this.reportOf({ signature, query, params: params ?? {} });
    if (report) await this.deliveries.report(report);
  }

  private reportOf(callback: Parameters<TwilioReports['read']>[0]) {
    try {
      return this.reports.read(callback);
    } catch (error) {
      throw error instanceof ReportForged ? new InvalidSignature() : error;
    }
  }
}
