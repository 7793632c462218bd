import { Controller, Delete, Get, Header, HttpCode, Query, Res } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '#auth';
import { InvalidRequest } from '#errors';
import { InboxSender } from '#messaging';
import { type PhoneNumber, parsePhoneNumber } from '#phone';
import { Problems } from '../http/problems.decorator.js';
import { INBOX_PAGE, INBOX_PAGE_HEADERS } from './inbox.page.js';
import { InboxMessageDto } from './inbox-message.dto.js';

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
}

function recipient(to: string): PhoneNumber {
  // A plus sign that was not percent-encoded is a space in a query. Given twice, `to` is an array.
  const number = parsePhoneNumber(String(to).replace(/^ /, '+'));
  if (!number) throw new InvalidRequest('`to` must be one phone number in E.164 form');
  return number;
}
