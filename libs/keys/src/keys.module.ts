import { Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataKeyEntity } from './data-key.entity.js';
import { DataKeyRepository } from './data-key.repository.js';
import { Keys, nameSecret } from './keys.js';

export abstract class KeyOptions {
  abstract readonly secret: string;
  /** The secret before this one, while codes derived from it are valid; null for none. */
  abstract readonly previous: string | null;
}

/** Keys derived from the operator's secret. The application provides `KeyOptions`. */
@Global()
@Module({
  imports: [TypeOrmModule.forFeature([DataKeyEntity])],
  providers: [
    DataKeyRepository,
    { provide: Keys, inject: [KeyOptions, DataKeyRepository], useFactory: loadKeys },
  ],
  exports: [Keys],
})
export class KeysModule {}

/** @throws WrongSecret */
async function loadKeys({ secret, previous }: KeyOptions, dataKeys: DataKeyRepository): Promise<Keys> {
  const current = nameSecret(secret);
  const former = previous === null ? null : nameSecret(previous);
  return new Keys(await dataKeys.load(current, former), current, former);
}
