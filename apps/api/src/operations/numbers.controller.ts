import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { NumberLookupService, OperatorsOnly } from '#auth';
import { PhoneNumberParser } from '../http/phone-number-parser.js';
import { Problems } from '../http/problems.decorator.js';
import { ValidBody } from '../http/validation.js';
import { LookUpNumberDto, NumberReportDto } from './numbers.dto.js';

/** Mounted only if `OPERATOR_TOKEN` is set. */
@ApiTags('For operators')
@ApiBearerAuth('operator')
@OperatorsOnly()
@Controller('v1/operations/numbers')
export class NumbersController {
  constructor(
    private readonly numbers: NumberLookupService,
    private readonly phoneNumbers: PhoneNumberParser,
  ) {}

  /**
   * Looks up a phone number.
   *
   * Returns its verifications, the delivery of their messages, and what limits the next message.
   * Start here when a user says that no message came. It changes nothing. The number is in the body, so that no log and
   * no proxy keeps it.
   */
  @ApiBody({
    type: LookUpNumberDto,
    examples: { number: { summary: 'A number', value: { phone_number: '+14155550100' } } },
  })
  @ApiOkResponse({ type: NumberReportDto, description: 'The state of the number.' })
  @Problems('unauthenticated')
  @Post('lookup')
  @HttpCode(200)
  lookUpNumber(@ValidBody() { phone_number }: LookUpNumberDto): Promise<NumberReportDto> {
    return this.numbers.lookUp(this.phoneNumbers.parse(phone_number));
  }
}
