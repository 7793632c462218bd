import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TokenEntity } from './token.entity.js';
import { TokensRepository } from './tokens.repository.js';

/** Bearer tokens. The application provides `TokenPolicy`. */
@Module({
  imports: [TypeOrmModule.forFeature([TokenEntity])],
  providers: [TokensRepository],
  exports: [TokensRepository],
})
export class TokensModule {}
