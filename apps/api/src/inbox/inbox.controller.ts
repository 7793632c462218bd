import {
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  UseGuards,
} from '@nestjs/common';
import {
  ApiBody,
  ApiExcludeEndpoint,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiParam,
  ApiQuery,
  ApiTags,
} from '@nestjs/swagger';
import { Public } from '#auth';
import { InvalidRequest, NotFound } from '#errors';
import { InboxProvider } from '#messaging';
import { type PhoneNumber, parsePhoneNumber } from '#phone';
import { Problems } from '../http/problems.decorator.js';
import { ValidBody } from '../http/validation.js';
import { INBOX_PAGE, InboxPageHeaders } from './inbox.page.js';
import { InboxHostGuard } from './inbox-host.guard.js';
import { InboxMessageDto, PlanDto } from './inbox-message.dto.js';

const ID_PARAMETER = {
  name: 'id',
  description: 'The `id` of the message.',
  schema: { type: 'string', examples: ['0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e'] },
};
const PLAN_EXAMPLES = {
  fail: { summary: 'Messages do not arrive', value: { outcome: 'fail' } },
  deliver: { summary: 'Messages arrive', value: { outcome: 'deliver' } },
};

/**
 * Shows the messages of the inbox provider, and so codes, to anyone who names this server. Mounted only with that provider,
 * which sends nothing.
 */
@ApiTags('For developers')
@Public()
@UseGuards(InboxHostGuard)
@Controller('dev/inbox')
export class InboxController {
  constructor(private readonly inbox: InboxProvider) {}

  @ApiExcludeEndpoint()
  @InboxPageHeaders()
  @Get()
  page(): string {
    return INBOX_PAGE;
  }

  /**
   * Lists messages, newest first.
   *
   * `to` selects one recipient.
   */
  @ApiQuery({
    name: 'to',
    required: false,
    description: 'A recipient in E.164 form, with `+` percent-encoded.',
    schema: { type: 'string', examples: ['+14155550100'] },
  })
  @ApiOkResponse({ type: [InboxMessageDto], description: 'The messages.' })
  @Problems('misdirected_request')
  @Get('messages')
  @Header('Cache-Control', 'no-store')
  listMessages(@Query('to') to?: string): InboxMessageDto[] {
    return this.inbox.messages(to === undefined ? undefined : recipient(to)).map(InboxMessageDto.of);
  }

  /**
   * Deletes all messages.
   *
   * Codes that they carry stay valid.
   */
  @ApiNoContentResponse({ description: 'The inbox is empty.' })
  @Problems('misdirected_request')
  @Delete('messages')
  @HttpCode(204)
  clearMessages(): void {
    this.inbox.clear();
  }

  /**
   * Reports a message as delivered.
   *
   * Simulates the delivery report of a provider.
   */
  @ApiParam(ID_PARAMETER)
  @ApiNoContentResponse({ description: 'The delivery report is recorded.' })
  @Problems('not_found', 'misdirected_request')
  @Post('messages/:id/deliver')
  @HttpCode(204)
  deliverMessage(@Param('id') id: string): void {
    if (!this.inbox.settle(id, 'delivered')) throw new NotFound('message');
  }

  /**
   * Reports a message as undelivered.
   *
   * Simulates the delivery report of a provider: the phone is off.
   */
  @ApiParam(ID_PARAMETER)
  @ApiNoContentResponse({ description: 'The delivery report is recorded.' })
  @Problems('not_found', 'misdirected_request')
  @Post('messages/:id/fail')
  @HttpCode(204)
  failMessage(@Param('id') id: string): void {
    if (!this.inbox.settle(id, 'undelivered')) throw new NotFound('message');
  }

  /**
   * Returns the delivery outcome of future messages.
   *
   * It is `deliver` until it is changed.
   */
  @ApiOkResponse({ type: PlanDto, description: 'The outcome.' })
  @Problems('misdirected_request')
  @Get('plan')
  getPlan(): PlanDto {
    return { outcome: this.inbox.plan };
  }

  /**
   * Sets the delivery outcome of future messages.
   *
   * Messages that the inbox has already do not change.
   */
  @ApiBody({ type: PlanDto, examples: PLAN_EXAMPLES })
  @ApiOkResponse({ type: PlanDto, description: 'The outcome.' })
  @Problems('misdirected_request')
  @Put('plan')
  setPlan(@ValidBody() { outcome }: PlanDto): PlanDto {
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
