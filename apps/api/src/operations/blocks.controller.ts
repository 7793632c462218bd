import { Controller, Delete, Get, HttpCode, Param } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { BreakerService } from '#abuse';
import { OperatorsOnly } from '#auth';
import { NotFound } from '#errors';
import { Problems } from '../http/problems.decorator.js';
import { BlockDto, BlocksDto } from './blocks.dto.js';

/** Mounted only if `OPERATOR_TOKEN` is set. */
@ApiTags('For operators')
@ApiBearerAuth('operator')
@OperatorsOnly()
@Controller('v1/operations/blocks')
export class BlocksController {
  constructor(private readonly breaker: BreakerService) {}

  /** Lists active SMS-abuse blocks: addresses, networks, number ranges and countries. */
  @Problems('unauthenticated')
  @Get()
  async list(): Promise<BlocksDto> {
    return { blocks: (await this.breaker.blocks()).map(BlockDto.of) };
  }

  /** Lifts one SMS-abuse block and resets its counters. */
  @Problems('unauthenticated', 'not_found')
  @Delete(':id')
  @HttpCode(204)
  async release(@Param('id') id: string): Promise<void> {
    if (!(await this.breaker.release(id))) throw new NotFound('block');
  }

  /** Lifts all SMS-abuse blocks. */
  @Problems('unauthenticated')
  @Delete()
  @HttpCode(204)
  async releaseAll(): Promise<void> {
    for (const { id } of await this.breaker.blocks()) await this.breaker.release(id);
  }
}
