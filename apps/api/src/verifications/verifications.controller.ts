import { Controller, Delete, Get, Headers, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiExtraModels,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiParam,
  ApiQuery,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clientAddressOf, type Requester } from '#abuse';
import {
  type ApiClient,
  type Authenticate,
  AuthService,
  BearerOnDemand,
  CurrentClient,
  Public,
  SessionOnDemand,
} from '#auth';
import { AppConfig } from '#config';
import { IdempotencyService, type IdempotentRequest } from '#idempotency';
import { type VerificationId, VerificationWatch } from '#otp';
import { Answers, LOCATION_HEADER } from '../http/answers.js';
import { ChannelParser } from '../http/channel-parser.js';
import { CodeRequestParser } from '../http/code-request-parser.js';
import { ConditionalGet, ETAG_HEADER, entityTagOf, tagged, taggedUnlessKnown } from '../http/entity-tag.js';
import { AcceptsIdempotencyKey, Idempotent } from '../http/idempotency.js';
import { ClientOptional } from '../http/optional-client.decorator.js';
import { Problems } from '../http/problems.decorator.js';
import { publicUrlFor } from '../http/public-url.js';
import { RequestSignal } from '../http/request-signal.js';
import { FromRequester } from '../http/requester.js';
import { ValidBody } from '../http/validation.js';
import { SessionDto } from '../sessions/session.dto.js';
import {
  CheckVerificationDto,
  OpenVerificationDto,
  ResendVerificationDto,
  VerificationDto,
  VerifiedNumberDto,
} from './verification.dto.js';
import { CHECK_EXAMPLES, ID_PARAMETER, REQUEST_EXAMPLES, RESEND_EXAMPLES } from './verification.examples.js';
import { asVerificationId, asWaitSeconds, LONGEST_WAIT_SECONDS } from './verification-parameters.js';

@ApiTags('Verifications')
@Controller('v1/verifications')
export class VerificationsController {
  constructor(
    private readonly auth: AuthService,
    private readonly watch: VerificationWatch,
    private readonly channels: ChannelParser,
    private readonly requests: CodeRequestParser,
    private readonly idempotency: IdempotencyService,
    private readonly config: AppConfig,
    private readonly answers: Answers,
  ) {}

  /**
   * Sends a code to a phone number.
   *
   * The answer is always 202 with this body, so it does not reveal whether the number has an account. A backend sends the
   * credentials of its client, and `client_address`. With `purpose: "verify"` the code proves the number to the client.
   */
  @Public()
  @ClientOptional()
  @ApiBody({ type: OpenVerificationDto, examples: REQUEST_EXAMPLES })
  @Problems(
    'invalid_client',
    'proof_of_work_required',
    'phone_number_not_allowed',
    'rate_limited',
    'sends_suspended',
  )
  @ApiAcceptedResponse({
    type: VerificationDto,
    description: 'The code is being sent.',
    headers: { Location: LOCATION_HEADER, ETag: ETAG_HEADER },
  })
  @AcceptsIdempotencyKey()
  @Post()
  @HttpCode(202)
  async requestCode(
    @ValidBody() body: OpenVerificationDto,
    @Headers('accept-language') acceptLanguage: string | undefined,
    @FromRequester() requester: Requester,
    @CurrentClient() apiClient: ApiClient | null,
    @Idempotent() idempotent: IdempotentRequest | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationDto> {
    const request = { ...this.requests.parse(body, acceptLanguage), name: body.name };
    const context = { purpose: body.purpose ?? 'sign_in', apiClient };
    const opened = await this.idempotency.once(idempotent, async () =>
      VerificationDto.of(await this.auth.requestCode(request, requester, context)),
    );
    return this.answers.created(reply, `/v1/verifications/${opened.id}`, opened);
  }

  /**
   * Returns the state of the verification and of its newest message.
   *
   * With `wait` the answer is delayed until the state changes, or until this many seconds have passed. It may come
   * earlier: pause for a second before you ask again. Send the `ETag` of an earlier answer as `If-None-Match` to get an answer at once if the state has changed since, and 304 if it has
   * not changed by the end of the wait.
   */
  @Public()
  @ApiParam(ID_PARAMETER)
  @Problems('not_found')
  @ApiOkResponse({
    type: VerificationDto,
    description: 'The verification.',
    headers: { ETag: ETAG_HEADER },
  })
  @ApiQuery({
    name: 'wait',
    description: 'Seconds to wait for a change.',
    required: false,
    schema: { type: 'integer', minimum: 0, maximum: LONGEST_WAIT_SECONDS },
  })
  @ConditionalGet()
  @Get(':id')
  async getVerification(
    @Param('id', asVerificationId) id: VerificationId,
    @Query('wait', asWaitSeconds) waitSeconds: number,
    @Headers('if-none-match') known: string | undefined,
    @RequestSignal() signal: AbortSignal,
    @FromRequester() { address }: Requester,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationDto | undefined> {
    const found = await this.auth.verification(id);
    const body = VerificationDto.of(found);
    const isNews = known !== undefined && known !== entityTagOf(body);
    if (isNews || waitSeconds === 0 || found.status !== 'pending')
      return taggedUnlessKnown(reply, known, body);
    const wait = { client: clientAddressOf(address).client, withinMs: waitSeconds * 1_000, signal };
    return taggedUnlessKnown(reply, known, VerificationDto.of(await this.watch.change(found, wait)));
  }

  /**
   * Sends the same code again.
   *
   * Allowed from `resend_at` on. Without `channel` the code takes the channel of the previous message.
   */
  @Public()
  @ClientOptional()
  @ApiParam(ID_PARAMETER)
  @ApiBody({ type: ResendVerificationDto, required: false, examples: RESEND_EXAMPLES })
  @Problems(
    'invalid_client',
    'proof_of_work_required',
    'not_found',
    'verification_closed',
    'phone_number_not_allowed',
    'rate_limited',
    'sends_suspended',
  )
  @ApiAcceptedResponse({
    type: VerificationDto,
    description: 'The code is being sent again.',
    headers: { ETag: ETAG_HEADER },
  })
  @AcceptsIdempotencyKey()
  @Post(':id/resend')
  @HttpCode(202)
  async resendCode(
    @Param('id', asVerificationId) id: VerificationId,
    @ValidBody() body: ResendVerificationDto,
    @FromRequester() requester: Requester,
    @CurrentClient() apiClient: ApiClient | null,
    @Idempotent() idempotent: IdempotentRequest | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VerificationDto> {
    const channel = body.channel ? this.channels.require(body.channel) : null;
    const resent = await this.idempotency.once(idempotent, async () =>
      VerificationDto.of(await this.auth.resendCode(id, requester, channel, apiClient)),
    );
    return tagged(reply, resent);
  }

  /**
   * Verifies the code and creates a session.
   *
   * A code works once. A new number gets an account. The code of a change of number (`POST /v1/me/phone_number`) moves the account
   * instead: the request needs the session that requested it, and the answer is this session, with a new token. The other
   * sessions of the account end. The code is rejected if the number has an account already. The code of a verification with the
   * purpose `verify` needs the credentials of the client that requested it, and is answered without a session.
   */
  @SessionOnDemand()
  @ClientOptional()
  @ApiExtraModels(SessionDto, VerifiedNumberDto)
  @ApiParam(ID_PARAMETER)
  @ApiBody({ type: CheckVerificationDto, examples: CHECK_EXAMPLES })
  @Problems(
    'code_rejected',
    'unauthenticated',
    'invalid_client',
    'invalid_token',
    'insufficient_scope',
    'number_recycled',
    'cross_site_request',
    'not_found',
    'verification_closed',
    'rate_limited',
  )
  @ApiOkResponse({
    description: 'The user is signed in or, with the purpose `verify`, the number is verified.',
    schema: { anyOf: [{ $ref: getSchemaPath(SessionDto) }, { $ref: getSchemaPath(VerifiedNumberDto) }] },
  })
  @AcceptsIdempotencyKey()
  @Post(':id/check')
  @HttpCode(200)
  async checkCode(
    @Param('id', asVerificationId) id: VerificationId,
    @ValidBody() { code, name }: CheckVerificationDto,
    @FromRequester() requester: Requester,
    @BearerOnDemand() authenticate: Authenticate,
    @CurrentClient() apiClient: ApiClient | null,
    @Idempotent() idempotent: IdempotentRequest | null,
    @Req() httpRequest: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SessionDto | VerifiedNumberDto> {
    const issuer = publicUrlFor(this.config.publicUrl, httpRequest);
    const context = { authenticate, apiClient, issuer };
    const result = await this.idempotency.once(idempotent, async () => {
      const checked = await this.auth.checkCode(id, code, requester, context, name);
      return 'proof' in checked ? VerifiedNumberDto.of(checked) : checked;
    });
    if ('proof' in result) return result;
    this.answers.signedIn(httpRequest, reply, result);
    return SessionDto.of(result);
  }

  /**
   * Cancels the verification.
   *
   * Its code can no longer be used.
   */
  @Public()
  @ApiParam(ID_PARAMETER)
  @ApiNoContentResponse({ description: 'The verification is canceled.' })
  @Problems('not_found', 'verification_closed')
  @Delete(':id')
  @HttpCode(204)
  cancelVerification(@Param('id', asVerificationId) id: VerificationId): Promise<void> {
    return this.auth.cancel(id);
  }
}
