import { type DynamicModule, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TokenEntity } from './token.entity.js';
import { TokenPolicy, TokensRepository } from './tokens.repository.js';

@Module({})
export class TokensModule {
  static forRoot(policy: TokenPolicy): DynamicModule {
    return {
      module: TokensModule,
      imports: [TypeOrmModule.forFeature([TokenEntity])],
      providers: [{ provide: TokenPolicy, useValue: policy }, TokensRepository],
      exports: [TokensRepository],
    };
  }
}
