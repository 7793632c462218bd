// An API on Nest. It verifies signed tokens by Latchkey's public keys, without a request to Latchkey for each of them.
import 'reflect-metadata';
import { identityOf, nestAuth, signedTokenVerifier } from '@latchkey/client/server';
import { Controller, Get, HttpException, Module, Req, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';

const { LATCHKEY_URL = 'http://localhost:4000', HOST = '127.0.0.1', PORT = '3000' } = process.env;
const base = LATCHKEY_URL.replace(/\/$/, '');

// The issuer is the PUBLIC_URL of Latchkey. Without PUBLIC_URL it is http://localhost:<PORT>, also at the address 127.0.0.1.
const { LATCHKEY_ISSUER = base.replace('//127.0.0.1', '//localhost') } = process.env;
const { AUDIENCE = LATCHKEY_ISSUER } = process.env;

const verify = signedTokenVerifier({
  issuer: LATCHKEY_ISSUER,
  audience: AUDIENCE,
  jwksUrl: `${base}/.well-known/jwks.json`,
});
const Authenticated = () => UseGuards(nestAuth(verify, HttpException));

@Controller('orders')
class OrdersController {
  @Authenticated()
  @Get()
  list(@Req() request: object) {
    return { user: identityOf(request).sub, orders: [] };
  }
}

@Module({ controllers: [OrdersController] })
class AppModule {}

const app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger: ['error', 'warn'] });
await app.listen(Number(PORT), HOST);
console.log(`listening on ${await app.getUrl()}`);
