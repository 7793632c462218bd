import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { PROBLEMS, type ProblemCode } from '#errors';
import { ProblemDto } from './problem.dto.js';
import { PROBLEM_JSON } from './problem.js';

/** What can happen on any route. */
const COMMON_PROBLEMS: ProblemCode[] = ['invalid_token', 'internal_error', 'unavailable'];

/** Documents how a route can fail beyond what any route can. The document fills in the examples, which depend on the path. */
export function Problems(...codes: ProblemCode[]): MethodDecorator {
  const all = [...new Set([...codes, ...COMMON_PROBLEMS])];
  const statuses = new Set(all.map((code) => PROBLEMS[code].status));
  return applyDecorators(
    ApiExtraModels(ProblemDto),
    ...[...statuses].map((status) => {
      const here = all.filter((code) => PROBLEMS[code].status === status);
      return ApiResponse({
        status,
        description: here.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('  \n'),
        content: {
          [PROBLEM_JSON]: {
            schema: { $ref: getSchemaPath(ProblemDto) },
            examples: Object.fromEntries(here.map((code) => [code, {}])),
          },
        },
      });
    }),
  );
}
