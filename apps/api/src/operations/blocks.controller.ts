import { Controller, Delete, Get, HttpCode, Param } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiParam, ApiTags } from '@nestjs/swagger';
import { BreakerService } from '#abuse';
import { OperatorsOnly } from '#auth';
import { NotFound } from '#errors';
import { EventsRepository } from '#events';
import { Problems } from '../http/problems.decorator.js';
import { BlockDto, BlocksDto } from './blocks.dto.js';

/** Mounted only if `OPERATOR_TOKEN` is set. */
@ApiTags('For operators')
@ApiBearerAuth('operator')
@OperatorsOnly()
@Controller('v1/operations/blocks')
export class BlocksController {
  constructor(
    private readonly breaker: BreakerService,
    private readonly events: EventsRepository,
  ) {}

  /**
   * Lists active SMS-abuse blocks.
   *
   * A block is on an address, a network, a range of numbers or a country.
   */
  @ApiOkResponse({ type: BlocksDto, description: 'The active blocks.' })
  @Problems('unauthenticated')
  @Get()
  async listBlocks(): Promise<BlocksDto> {
    return { blocks: (await this.breaker.blocks()).map(BlockDto.of) };
  }

  /**
   * Lifts one SMS-abuse block.
   *
   * Its counters are reset.
   */
  @ApiParam({
    name: 'id',
    description: 'The `id` of the block.',
    schema: { type: 'string', examples: ['numbers_10k:+1415555'] },
  })
  @ApiNoContentResponse({ description: 'The block is lifted.' })
  @Problems('unauthenticated', 'not_found')
  @Delete(':id')
  @HttpCode(204)
  async liftBlock(@Param('id') id: string): Promise<void> {
    if (!(await this.lift(id))) throw new NotFound('block');
  }

  /**
   * Lifts all SMS-abuse blocks.
   *
   * Their counters are reset.
   */
  @ApiNoContentResponse({ description: 'The blocks are lifted.' })
  @Problems('unauthenticated')
  @Delete()
  @HttpCode(204)
  async liftAllBlocks(): Promise<void> {
    for (const { id } of await this.breaker.blocks()) await this.lift(id);
  }

  private async lift(id: string): Promise<boolean> {
    const isLifted = await this.breaker.release(id);
    if (isLifted) await this.events.record('block_lifted', { details: { block: id } });
    return isLifted;
  }
}
