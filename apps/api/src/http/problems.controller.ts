import { Controller, Get, Headers, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import Negotiator from 'negotiator';
import { Public } from '#auth';
import { NotFound, PROBLEMS, type ProblemCode } from '#errors';
import { type Explanation, PROBLEM_PAGE_HEADERS, problemPage, problemsPage } from './problems.page.js';
import { addVary } from './vary.js';

/** Explains the problems, to programs as JSON and to browsers as a page. Their `type` points here (RFC 9457, section 3.1.1). */
@ApiExcludeController()
@Controller('problems')
export class ProblemsController {
  @Public()
  @Get()
  list(
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Explanation[] | string {
    const problems = (Object.keys(PROBLEMS) as ProblemCode[]).map(explanationOf);
    return asPageOrJson(reply, accept, problems, problemsPage);
  }

  @Public()
  @Get(':code')
  explain(
    @Param('code') code: string,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Explanation | string {
    if (!Object.hasOwn(PROBLEMS, code)) throw new NotFound('problem');
    return asPageOrJson(reply, accept, explanationOf(code as ProblemCode), problemPage);
  }
}

function explanationOf(code: ProblemCode): Explanation {
  return { code, ...PROBLEMS[code] };
}

function asPageOrJson<T>(
  reply: FastifyReply,
  accept: string | undefined,
  content: T,
  page: (content: T) => string,
): T | string {
  addVary(reply, 'Accept');
  if (!prefersPage(accept)) return content;
  reply.headers(PROBLEM_PAGE_HEADERS);
  return page(content);
}

/** JSON is the default: programs often accept anything. */
function prefersPage(accept: string | undefined): boolean {
  return new Negotiator({ headers: { accept } }).mediaType(['application/json', 'text/html']) === 'text/html';
}
