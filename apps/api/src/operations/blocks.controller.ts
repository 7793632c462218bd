import { Controller, Delete, Get, HttpCode, Param } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { OperatorsOnly, Sends } from '#auth';
import { NotFound } from '#errors';
import { Problems } from '../http/problems.decorator.js';
import { BlockDto, BlocksDto } from './blocks.dto.js';

/** There only with `OPERATOR_TOKEN`. */
@ApiTags('For operators')
@ApiBearerAuth('operator')
@OperatorsOnly()
@Controller('v1/operations/blocks')
export class BlocksController {
  constructor(private readonly sends: Sends) {}

  /** What the breaker holds back now: addresses, networks, blocks of numbers, countries. */
  @Problems('unauthenticated')
  @Get()
  async list(): Promise<BlocksDto> {
    return { blocks: (await this.sends.blocks()).map(BlockDto.of) };
  }

  /** Lets messages of this scope through again, and forgets what was held against it. */
  @Problems('unauthenticated', 'not_found')
  @Delete(':id')
  @HttpCode(204)
  async release(@Param('id') id: string): Promise<void> {
    if (!(await this.sends.release(id))) throw new NotFound('block');
  }

  /** Lets everything through again. */
  @Problems('unauthenticated')
  @Delete()
  @HttpCode(204)
  async releaseAll(): Promise<void> {
    for (const { id } of await this.sends.blocks()) await this.sends.release(id);
  }
}
