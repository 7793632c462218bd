import { type DynamicModule, Global, Module } from '@nestjs/common';
import { DataKeyRepository } from './data-key.repository.js';
import { Keys, nameSecret } from './keys.js';

@Global()
@Module({})
export class KeysModule {
  static forRoot({ secret, previous }: { secret: string; previous: string | null }): DynamicModule {
    const current = nameSecret(secret);
    const former = previous === null ? null : nameSecret(previous);
    return {
      module: KeysModule,
      providers: [
        DataKeyRepository,
        {
          provide: Keys,
          inject: [DataKeyRepository],
          useFactory: async (dataKeys: DataKeyRepository) =>
            new Keys(await dataKeys.load(current, former), current, former),
        },
      ],
      exports: [Keys],
    };
  }
}
