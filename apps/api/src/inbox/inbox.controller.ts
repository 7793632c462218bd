import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiTags } from '@nestjs/swagger';
import { Public } from '#auth';
import { InvalidRequest, NotFound } from '#errors';
import { InboxProvider } from '#messaging';
import { type PhoneNumber, parsePhoneNumber } from '#phone';
import { Problems } from '../http/problems.decorator.js';
import { INBOX_PAGE, InboxPageHeaders } from './inbox.page.js';
import { InboxMessageDto, PlanDto } from './inbox-message.dto.js';

/** Shows the messages of the inbox provider, and so codes, to anyone. Mounted only with that provider, which sends nothing. */
@ApiTags('For developers')
@Public()
@Controller('dev/inbox')
export class InboxController {
  constructor(private readonly inbox: InboxProvider) {}

  @ApiExcludeEndpoint()
  @InboxPageHeaders()
  @Get()
  page(): string {
    return INBOX_PAGE;
  }

  /** Lists messages, newest first. `to` selects one recipient. */
  @Problems('invalid_request')
  @Get('messages')
  @Header('Cache-Control', 'no-store')
  list(@Query('to') to?: string): InboxMessageDto[] {
    return this.inbox.messages(to === undefined ? undefined : recipient(to)).map(InboxMessageDto.of);
  }

  /** Deletes all messages. */
  @Problems()
  @Delete('messages')
  @HttpCode(204)
  clear(): void {
    this.inbox.clear();
  }

  /** Simulates a delivery report: the message was delivered. */
  @Problems('not_found')
  @Post('messages/:id/deliver')
  @HttpCode(204)
  deliver(@Param('id') id: string): void {
    if (!this.inbox.settle(id, 'delivered')) throw new NotFound('message');
  }

  /** Simulates a delivery report: the message was not delivered because the phone is off. */
  @Problems('not_found')
  @Post('messages/:id/fail')
  @HttpCode(204)
  fail(@Param('id') id: string): void {
    if (!this.inbox.settle(id, 'undelivered')) throw new NotFound('message');
  }

  /** Returns the delivery outcome of future messages. */
  @Problems()
  @Get('plan')
  plan(): PlanDto {
    return { outcome: this.inbox.plan };
  }

  /** Sets the delivery outcome of future messages. */
  @Problems()
  @Put('plan')
  choose(@Body() { outcome }: PlanDto): PlanDto {
    this.inbox.plan = outcome;
    return { outcome };
  }
}

function recipient(to: string): PhoneNumber {
  // A `+` that is not percent-encoded is a space in a query. A repeated `to` is an array.
  const number = parsePhoneNumber(String(to).replace(/^ /, '+'));
  if (!number) throw new InvalidRequest('`to` must be one phone number in E.164 form');
  return number;
}
