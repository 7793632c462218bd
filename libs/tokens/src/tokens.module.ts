import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { WebhooksModule } from '#webhooks';
import { ActiveSessionsRepository } from './active-sessions.repository.js';
import { RefreshTokens } from './refresh-token.js';
import { RefreshTokensRepository } from './refresh-tokens.repository.js';
import { SessionEvents } from './session-events.js';
import { SessionUsesService } from './session-uses.service.js';
import { SignedTokensService } from './signed-tokens.service.js';
import { SigningKeysRepository } from './signing-keys.repository.js';
import { TokenEntity } from './token.entity.js';
import { TokensRepository } from './tokens.repository.js';

/** Sessions with their tokens and refresh tokens. The application provides `SessionPolicy`. */
@Module({
  imports: [TypeOrmModule.forFeature([TokenEntity]), WebhooksModule],
  providers: [
    ActiveSessionsRepository,
    RefreshTokens,
    RefreshTokensRepository,
    SessionEvents,
    SessionUsesService,
    SignedTokensService,
    SigningKeysRepository,
    TokensRepository,
  ],
  exports: [
    ActiveSessionsRepository,
    RefreshTokens,
    RefreshTokensRepository,
    SessionUsesService,
    SignedTokensService,
    TokensRepository,
    WebhooksModule,
  ],
})
export class TokensModule {}
