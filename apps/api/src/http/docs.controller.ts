import { Controller, Get, Redirect } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '#auth';

/** Leads people who open the bare address to Swagger UI. Mounted only with it. */
@ApiExcludeController()
@Controller()
export class DocsController {
  /** The target is relative, because a proxy may serve this server under a prefix. */
  @Public()
  @Redirect('docs', 303)
  @Get()
  redirect(): void {}
}
