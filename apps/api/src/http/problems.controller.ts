import { Controller, Get, Param } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '#auth';
import { NotFound, PROBLEMS, type ProblemCode } from '#errors';

/** Explains the problems. Their `type` points here (RFC 9457, section 3.1.1). */
@ApiExcludeController()
@Controller('problems')
export class ProblemsController {
  @Public()
  @Get()
  list() {
    return Object.entries(PROBLEMS).map(([code, problem]) => ({ code, ...problem }));
  }

  @Public()
  @Get(':code')
  explain(@Param('code') code: string) {
    if (!Object.hasOwn(PROBLEMS, code)) throw new NotFound('problem');
    return { code, ...PROBLEMS[code as ProblemCode] };
  }
}
