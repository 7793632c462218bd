import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Session } from '#auth';
import { Answers } from '../http/answers.js';
import { type CodeSentDto, SignedUpDto } from './sign-up.dto.js';
import { SignUpCookie } from './sign-up-cookie.js';
import { SignUpUsers } from './sign-up-user.dto.js';

/** The answers of `POST /signup`, with their cookies. */
@Injectable()
export class SignUpAnswers {
  constructor(
    private readonly answers: Answers,
    private readonly cookie: SignUpCookie,
    private readonly users: SignUpUsers,
  ) {}

  /** @param token recognises the client when it sends the code. */
  codeSent(request: FastifyRequest, reply: FastifyReply, token: string): CodeSentDto {
    this.cookie.set(request, reply, token);
    return { success: true, message: 'OTP sent successfully' };
  }

  signedUp(request: FastifyRequest, reply: FastifyReply, session: Session): SignedUpDto {
    this.answers.signedIn(request, reply, session);
    return SignedUpDto.of(session, this.users);
  }
}
