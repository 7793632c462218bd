import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  Res,
} from '@nestjs/common';
import { ApiExcludeEndpoint, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '#auth';
import { InvalidRequest, NotFound } from '#errors';
import { InboxSender } from '#messaging';
import { type PhoneNumber, parsePhoneNumber } from '#phone';
import { Problems } from '../http/problems.decorator.js';
import { INBOX_PAGE, INBOX_PAGE_HEADERS } from './inbox.page.js';
import { InboxMessageDto, PlanDto } from './inbox-message.dto.js';

/** What would have gone out. It shows codes to anybody, so it is mounted only where nothing really does. */
@ApiTags('For developers')
@Public()
@Controller('dev/inbox')
export class InboxController {
  constructor(private readonly inbox: InboxSender) {}

  @ApiExcludeEndpoint()
  @Get()
  page(@Res({ passthrough: true }) reply: FastifyReply): string {
    reply.headers(INBOX_PAGE_HEADERS);
    return INBOX_PAGE;
  }

  /** Newest first; with `to`, only those to this number. */
  @Problems('invalid_request')
  @Get('messages')
  @Header('Cache-Control', 'no-store')
  list(@Query('to') to?: string): InboxMessageDto[] {
    return this.inbox.messages(to === undefined ? undefined : recipient(to)).map(InboxMessageDto.of);
  }

  /** Forgets all of them. */
  @Problems()
  @Delete('messages')
  @HttpCode(204)
  clear(): void {
    this.inbox.clear();
  }

  /** Reports a message as delivered, as a provider would. */
  @Problems('not_found')
  @Post('messages/:id/deliver')
  @HttpCode(204)
  deliver(@Param('id') id: string): void {
    if (!this.inbox.settle(id, 'delivered')) throw new NotFound('message');
  }

  /** Reports a message as undelivered, as a provider would: the phone is switched off. */
  @Problems('not_found')
  @Post('messages/:id/fail')
  @HttpCode(204)
  fail(@Param('id') id: string): void {
    if (!this.inbox.settle(id, 'undelivered')) throw new NotFound('message');
  }

  /** What becomes of the next messages. */
  @Problems()
  @Get('plan')
  plan(): PlanDto {
    return { outcome: this.inbox.plan };
  }

  /** Chooses what becomes of the next messages. */
  @Problems('invalid_request', 'payload_too_large', 'unsupported_media_type')
  @Put('plan')
  choose(@Body() { outcome }: PlanDto): PlanDto {
    this.inbox.plan = outcome;
    return { outcome };
  }
}

function recipient(to: string): PhoneNumber {
  // A plus sign that was not percent-encoded is a space in a query. Given twice, `to` is an array.
  const number = parsePhoneNumber(String(to).replace(/^ /, '+'));
  if (!number) throw new InvalidRequest('`to` must be one phone number in E.164 form');
  return number;
}
