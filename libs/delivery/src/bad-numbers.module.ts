import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { BadNumberEntity } from './bad-number.entity.js';
import { BadNumbersRepository } from './bad-numbers.repository.js';

/** The record of unreachable numbers, which needs neither providers nor the queue. */
@Module({
  imports: [TypeOrmModule.forFeature([BadNumberEntity])],
  providers: [BadNumbersRepository],
  exports: [BadNumbersRepository],
})
export class BadNumbersModule {}
