import { type DynamicModule, Module } from '@nestjs/common';
import type { AppConfig } from '#config';
import { ImagesModule } from '#images';
import { MessagingModule } from '#messaging';
import { CommandModule } from './command.module.js';

/** The composition root of the command that tries every dependency: commands, the message providers and the image decoder. */
@Module({})
export class DoctorModule {
  static forRoot(config: AppConfig, databaseUrl: string): DynamicModule {
    return {
      module: DoctorModule,
      imports: [CommandModule.forRoot(config, databaseUrl), ImagesModule, MessagingModule],
      exports: [MessagingModule],
    };
  }
}
