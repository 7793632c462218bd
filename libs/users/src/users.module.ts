import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AvatarsRepository } from './avatars.repository.js';
import { UserEntity } from './user.entity.js';
import { UsersRepository } from './users.repository.js';

@Module({
  imports: [TypeOrmModule.forFeature([UserEntity])],
  providers: [AvatarsRepository, UsersRepository],
  exports: [AvatarsRepository, UsersRepository],
})
export class UsersModule {}
