import { applyDecorators } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { PROBLEMS, type ProblemCode } from '#errors';
import { ProblemDto } from './problem.dto.js';
import { PROBLEM_JSON } from './problem.js';

/** Problems of every route. */
const COMMON_PROBLEMS: ProblemCode[] = ['invalid_request', 'internal_error', 'unavailable'];

/** The other problem of every route that demands a session. */
const TOKEN_PROBLEMS: ProblemCode[] = ['invalid_token'];

/** Problems of every route with a body. */
const BODY_PROBLEMS: ProblemCode[] = ['payload_too_large', 'unsupported_media_type'];

/**
 * Documents the problems of a route. Those of every route, of every route with a `@Body()` and of every route that
 * demands a session are added.
 * The document adds the examples later, because they depend on the path.
 */
export function Problems(...codes: ProblemCode[]): MethodDecorator {
  return (target, method, descriptor) => {
    const ofBody = hasBody(target, method) ? BODY_PROBLEMS : [];
    const ofToken = codes.includes('unauthenticated') ? TOKEN_PROBLEMS : [];
    const all = [...new Set([...codes, ...ofBody, ...ofToken, ...COMMON_PROBLEMS])];
    const statuses = [...new Set(all.map((code) => PROBLEMS[code].status))];
    const responses = statuses.map((status) =>
      problemResponse(
        status,
        all.filter((code) => PROBLEMS[code].status === status),
      ),
    );
    applyDecorators(ApiExtraModels(ProblemDto), ...responses)(target, method, descriptor);
  };
}

function problemResponse(status: number, codes: ProblemCode[]): MethodDecorator {
  return ApiResponse({
    status,
    description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('  \n'),
    content: {
      [PROBLEM_JSON]: {
        schema: { $ref: getSchemaPath(ProblemDto) },
        examples: Object.fromEntries(codes.map((code) => [code, {}])),
      },
    },
  });
}

/** Decorators of parameters run before those of their method, so Nest has already stored the parameters. */
function hasBody(target: object, method: string | symbol): boolean {
  const parameters = Reflect.getMetadata(ROUTE_ARGS_METADATA, target.constructor, method) ?? {};
  return Object.keys(parameters).some((key) => key.startsWith(`${RouteParamtypes.BODY}:`));
}
