import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '#auth';
import { AppConfig } from '#config';
import { SignedTokensService } from '#tokens';
import { Problems } from '../http/problems.decorator.js';
import { publicUrlFor } from '../http/public-url.js';
import { PublicKeysDto, ServerMetadataDto } from './discovery.dto.js';

/** Shorter than the time that a new key is published before it signs. */
const CACHED = 'public, max-age=300';

const CLIENT_METHODS = ['client_secret_basic'];

/** Publishes the keys and addresses that other services verify tokens with. */
@ApiTags('For other services')
@Public()
@Controller('.well-known')
export class DiscoveryController {
  constructor(
    private readonly tokens: SignedTokensService,
    private readonly config: AppConfig,
  ) {}

  /**
   * Returns the public keys of signed tokens.
   *
   * Keys are rotated every 30 days. A new one is published before it signs. Keep them for five minutes, and read them again
   * when a token names a key that is not known.
   */
  @ApiOkResponse({ type: PublicKeysDto, description: 'The keys.' })
  @Problems()
  @Get('jwks.json')
  async getPublicKeys(@Res({ passthrough: true }) reply: FastifyReply): Promise<PublicKeysDto> {
    const keys = [...(await this.tokens.publicKeys())];
    reply.header('cache-control', CACHED);
    return { keys };
  }

  /**
   * Returns the addresses that OAuth libraries need.
   *
   * Users sign in by the routes of this document, not by OAuth, so there is neither an authorization endpoint nor a token
   * endpoint.
   */
  @ApiOkResponse({ type: ServerMetadataDto, description: 'The metadata.' })
  @Problems()
  @Get('oauth-authorization-server')
  getServerMetadata(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): ServerMetadataDto {
    reply.header('cache-control', CACHED);
    const issuer = publicUrlFor(this.config.publicUrl, request);
    return {
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      scopes_supported: ['authentication'],
      response_types_supported: [],
      grant_types_supported: [],
      ...(this.config.clientsFile !== null && {
        introspection_endpoint: `${issuer}/oauth/introspect`,
        introspection_endpoint_auth_methods_supported: CLIENT_METHODS,
        revocation_endpoint: `${issuer}/oauth/revoke`,
        revocation_endpoint_auth_methods_supported: CLIENT_METHODS,
      }),
      ...(this.config.docs && { service_documentation: `${issuer}/docs` }),
    };
  }
}
