import { type ArgumentsHost, Catch, type ExceptionFilter, Logger, NotFoundException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEMS, Unavailable } from '#errors';
import { answersAsOAuth, oauthErrorBody } from '../oauth/oauth-error.js';
import { goErrorOf } from '../sign-up/go-client.js';
import { answersAsTwilio, twilioErrorOf } from '../twilio-verify/twilio-error.js';
import { allowedMethods, patternOf } from './allowed-methods.js';
import { type Place, type Problem, problemBody, problemHeaders, problemOf } from './problem.js';
import { publicUrlFor } from './public-url.js';

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

/** Turns every error into a problem document, or into an error of OAuth or of Twilio on their routes. No other code does. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  /** @param publicUrl null: `http://localhost` with the port of the request. */
  constructor(private readonly publicUrl: string | null) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    // The client has disconnected, or the time limit has answered already.
    if (reply.sent) return;
    const allowed = error instanceof NotFoundException ? allowedMethods(request) : [];
    // Fastify and Nest answer 404 to an unsupported method of an existing route.
    const problem = problemOf(allowed.length > 0 ? { statusCode: 405 } : error);
    this.log(error, problem, request);
    const publicUrl = publicUrlFor(this.publicUrl, request);
    const path = patternOf(request) ?? (request.url.split('?', 1)[0] as string);
    const { status, headers, body } = answerOf(problem, path, {
      publicUrl,
      requestId: request.id,
      goError: this.goErrorOf(error, problem, request),
    });
    reply
      .status(status)
      .headers(problemHeaders(problem))
      .headers(allowed.length > 0 ? { allow: allowed.join(', ') } : {})
      .headers(headers)
      .send(body);
  }

  private goErrorOf(error: unknown, { code }: Problem, request: FastifyRequest): string | null {
    const { url, body, headers, routeOptions } = request;
    const refused = { url: routeOptions.url ?? url, body, authorization: headers.authorization };
    return goErrorOf(error, PROBLEMS[code].title, refused);
  }

  private log(error: unknown, { code }: Problem, request: FastifyRequest): void {
    const where = `${request.method} ${patternOf(request) ?? '?'} [${request.id}]`;
    if (code === 'internal_error')
      this.logger.error(`${where} failed`, (error as Error)?.stack ?? String(error));
    if (error instanceof Unavailable)
      this.logger.warn(`${where}: ${error.dependency} is unavailable: ${messageOf(error.cause)}`);
  }
}

/** Returns the answer in the form of the route. */
function answerOf(
  problem: Problem,
  path: string,
  place: Place,
): { status: number; headers: object; body: object } {
  const { publicUrl } = place;
  const { status } = PROBLEMS[problem.code];
  if (answersAsOAuth(path)) return { status, headers: JSON_TYPE, body: oauthErrorBody(problem, publicUrl) };
  if (!answersAsTwilio(path)) return { status, headers: {}, body: problemBody(problem, place) };
  const error = twilioErrorOf(problem, publicUrl);
  return { status: error.status, headers: JSON_TYPE, body: error };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message || cause.name : 'no cause given';
}
