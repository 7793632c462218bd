import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiBasicAuth, ApiBody, ApiConsumes, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { ClientsOnly, SessionService } from '#auth';
import { InvalidRequest } from '#errors';
import { AcceptsForm } from '../http/bodies.js';
import { IntrospectionDto } from './introspection.dto.js';
import { OAuthErrors } from './oauth-errors.decorator.js';

/** A form. A repeated parameter has an array of values. */
type Form = Readonly<Record<string, string | string[]>> | undefined;

const TOKEN_FORM = {
  schema: {
    type: 'object',
    required: ['token'],
    properties: {
      token: { type: 'string', description: 'The token.', examples: ['7CJ5KQ2N3XW4EYAV6DZTLM5RUI'] },
      token_type_hint: {
        type: 'string',
        description: 'Ignored: the form of the token is enough.',
        examples: ['access_token'],
      },
    },
  },
};

/** Mounted only if there are clients. Parameters that are not known are ignored (RFC 6749, section 3.2). */
@ApiTags('For other services')
@ApiBasicAuth('client')
@ApiConsumes('application/x-www-form-urlencoded')
@ClientsOnly('introspect')
@Controller('oauth')
export class OAuthController {
  constructor(private readonly sessions: SessionService) {}

  /**
   * Tells another service whether a token is valid (RFC 7662).
   *
   * The answer is `{"active": false}` for every token that is not valid now: a malformed, unknown, expired or
   * revoked one, one of an ended session, and a refresh token.
   */
  @ApiBody(TOKEN_FORM)
  @ApiOkResponse({ type: IntrospectionDto, description: 'The state of the token.' })
  @OAuthErrors()
  @AcceptsForm()
  @Post('introspect')
  @HttpCode(200)
  async introspectToken(@Body() form: Form): Promise<IntrospectionDto> {
    return IntrospectionDto.of(await this.sessions.introspect(tokenIn(form)));
  }

  /**
   * Ends the session of a token or a refresh token (RFC 7009).
   *
   * All tokens of the session are revoked: their next request is refused. The answer is the same for a token that is not
   * known.
   */
  @ApiBody(TOKEN_FORM)
  @ApiOkResponse({ description: 'The token is not valid any more.' })
  @OAuthErrors()
  @AcceptsForm()
  @Post('revoke')
  @HttpCode(200)
  async revokeToken(@Body() form: Form): Promise<void> {
    await this.sessions.revoke(tokenIn(form));
  }
}

/** RFC 6749, section 3.2: a parameter without a value counts as missing, and none may be repeated. */
function tokenIn(form: Form): string {
  const token = form?.token;
  if (typeof token === 'string' && token !== '') return token;
  throw new InvalidRequest('send one token, as the parameter `token` of a form');
}
