import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AppConfig } from '#config';
import { MisdirectedRequest } from '#errors';
import { isOwnHost } from './own-hosts.js';

/**
 * Refuses requests that name a foreign host. The inbox shows codes to everyone who reaches it, and with a name that points
 * at this server any web page reaches it, in the browser of a developer.
 */
@Injectable()
export class InboxHostGuard implements CanActivate {
  private readonly hosts: readonly string[];

  constructor({ host, publicUrl }: AppConfig) {
    this.hosts = [host, ...(publicUrl === null ? [] : [new URL(publicUrl).hostname])];
  }

  canActivate(context: ExecutionContext): true {
    const { headers, socket } = context.switchToHttp().getRequest<FastifyRequest>();
    if (isOwnHost(headers.host, [...this.hosts, socket.localAddress ?? ''])) return true;
    throw new MisdirectedRequest();
  }
}
