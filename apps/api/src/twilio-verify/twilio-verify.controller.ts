import { Body, Controller, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import {
  ApiBasicAuth,
  ApiBody,
  ApiConsumes,
  ApiCreatedResponse,
  ApiOkResponse,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { type ApiClient, AuthService, ClientsOnly, ClientVerificationsService, CurrentClient } from '#auth';
import { AppConfig } from '#config';
import { CodeRejected, NotFound, Unauthenticated } from '#errors';
import type { Verification } from '#otp';
import { AcceptsForm } from '../http/bodies.js';
import { CodeRequestParser } from '../http/code-request-parser.js';
import { PhoneNumberParser } from '../http/phone-number-parser.js';
import { publicUrlFor } from '../http/public-url.js';
import { requesterOf } from '../http/requester.js';
import { TwilioErrors } from './twilio-errors.decorator.js';
import { type CheckForm, checkIn, type Form, newVerificationIn, requireCancellation } from './twilio-form.js';
import { idOfSid } from './twilio-sid.js';
import {
  type TwilioPlace,
  TwilioVerificationCheckDto,
  TwilioVerificationDto,
} from './twilio-verification.dto.js';
import {
  CANCEL_FORM,
  CHECK_FORM,
  SERVICE_PARAMETER,
  START_FORM,
  VERIFICATION_PARAMETER,
} from './twilio-verify.examples.js';

const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Never called: a verification of a client needs no session. */
const authenticate = () => Promise.reject(new Unauthenticated());

/**
 * Verifies numbers in the form of Twilio Verify, so that its libraries work with another base address. Mounted only if there are
 * clients. The verifications are those of `POST /v1/verifications` with `purpose: "verify"`.
 */
@ApiTags('Twilio Verify')
@ApiBasicAuth('client')
@ClientsOnly('verify')
@Controller('v2/Services/:service')
export class TwilioVerifyController {
  constructor(
    private readonly auth: AuthService,
    private readonly clientVerifications: ClientVerificationsService,
    private readonly requests: CodeRequestParser,
    private readonly phoneNumbers: PhoneNumberParser,
    private readonly config: AppConfig,
  ) {}

  /**
   * Sends a code to a phone number.
   *
   * While a code of the client for the number is valid, it is sent again, under the same SID.
   */
  @ApiParam(SERVICE_PARAMETER)
  @ApiConsumes(FORM_TYPE)
  @ApiBody(START_FORM)
  @ApiCreatedResponse({ type: TwilioVerificationDto, description: 'The code is being sent.' })
  @TwilioErrors()
  @AcceptsForm()
  @Post('Verifications')
  @HttpCode(201)
  async startVerification(
    @Param('service') service: string,
    @Body() form: Form,
    @CurrentClient() client: ApiClient,
    @Req() request: FastifyRequest,
  ): Promise<TwilioVerificationDto> {
    const { client_address, channel, ...fields } = newVerificationIn(form);
    const asked = this.requests.parse({ ...fields, channel }, undefined);
    // The form has no place for a proof of work.
    const requester = { ...requesterOf(request, { client_address }), canProve: false };
    const open = await this.clientVerifications.findOpen(client, asked.phoneNumber);
    const verification = open
      ? await this.auth.resendCode(open.id, requester, channel && asked.channel, client)
      : await this.auth.requestCode(asked, requester, { purpose: 'verify', apiClient: client });
    return TwilioVerificationDto.of(verification, this.placeOf(service, client, request));
  }

  /**
   * Checks a code.
   *
   * A wrong code is answered with `valid: false`. A right one is `approved` once; the next check is answered with 404.
   */
  @ApiParam(SERVICE_PARAMETER)
  @ApiConsumes(FORM_TYPE)
  @ApiBody(CHECK_FORM)
  @ApiOkResponse({ type: TwilioVerificationCheckDto, description: 'The result of the check.' })
  @TwilioErrors()
  @AcceptsForm()
  @Post('VerificationCheck')
  @HttpCode(200)
  async checkVerification(
    @Param('service') service: string,
    @Body() form: Form,
    @CurrentClient() client: ApiClient,
    @Req() request: FastifyRequest,
  ): Promise<TwilioVerificationCheckDto> {
    const { code, sidOrNumber, client_address } = checkIn(form);
    const place = this.placeOf(service, client, request);
    const found = await this.find(client, sidOrNumber);
    const isRight = await this.isRight(found, { code, client_address }, client, request);
    return TwilioVerificationCheckDto.of(found, isRight, place);
  }

  /**
   * Returns a verification.
   *
   * `status` is its state. A verification of another client or purpose is answered with 404.
   */
  @ApiParam(SERVICE_PARAMETER)
  @ApiParam(VERIFICATION_PARAMETER)
  @ApiOkResponse({ type: TwilioVerificationDto, description: 'The verification.' })
  @TwilioErrors({ takesForm: false })
  @Get('Verifications/:verification')
  async fetchVerification(
    @Param('service') service: string,
    @Param('verification') sidOrNumber: string,
    @CurrentClient() client: ApiClient,
    @Req() request: FastifyRequest,
  ): Promise<TwilioVerificationDto> {
    const found = await this.find(client, sidOrNumber);
    return TwilioVerificationDto.of(found, this.placeOf(service, client, request));
  }

  /**
   * Cancels a verification.
   *
   * The status `approved`, which Twilio accepts for codes that the caller checks itself, is refused.
   */
  @ApiParam(SERVICE_PARAMETER)
  @ApiParam(VERIFICATION_PARAMETER)
  @ApiConsumes(FORM_TYPE)
  @ApiBody(CANCEL_FORM)
  @ApiOkResponse({ type: TwilioVerificationDto, description: 'The canceled verification.' })
  @TwilioErrors()
  @AcceptsForm()
  @Post('Verifications/:verification')
  @HttpCode(200)
  async cancelVerificationBySid(
    @Param('service') service: string,
    @Param('verification') sidOrNumber: string,
    @Body() form: Form,
    @CurrentClient() client: ApiClient,
    @Req() request: FastifyRequest,
  ): Promise<TwilioVerificationDto> {
    requireCancellation(form);
    const { id } = await this.find(client, sidOrNumber);
    await this.auth.cancel(id);
    const canceled = await this.clientVerifications.get(client, id);
    return TwilioVerificationDto.of(canceled, this.placeOf(service, client, request));
  }

  /** @throws NotFound */
  private async find(client: ApiClient, sidOrNumber: string): Promise<Verification> {
    if (!sidOrNumber.startsWith('VE'))
      return this.clientVerifications.newestOf(client, this.phoneNumbers.parse(sidOrNumber));
    const id = idOfSid(sidOrNumber);
    if (!id) throw new NotFound('verification');
    return this.clientVerifications.get(client, id);
  }

  private async isRight(
    { id }: Verification,
    { code, client_address }: Pick<CheckForm, 'code' | 'client_address'>,
    apiClient: ApiClient,
    request: FastifyRequest,
  ): Promise<boolean> {
    const issuer = publicUrlFor(this.config.publicUrl, request);
    try {
      await this.auth.checkCode(id, code, requesterOf(request, { client_address }), {
        authenticate,
        apiClient,
        issuer,
      });
      return true;
    } catch (error) {
      if (error instanceof CodeRejected) return false;
      throw error;
    }
  }

  private placeOf(service: string, { id: account }: ApiClient, request: FastifyRequest): TwilioPlace {
    return { service, account, publicUrl: publicUrlFor(this.config.publicUrl, request) };
  }
}
