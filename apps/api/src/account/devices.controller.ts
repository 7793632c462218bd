import { Controller, Delete, HttpCode } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiTags } from '@nestjs/swagger';
import { KnownDevicesService } from '#abuse';
import { CurrentUser } from '#auth';
import type { User } from '#users';
import { Problems } from '../http/problems.decorator.js';

@ApiTags('Signed in')
@ApiBearerAuth()
@Controller('v1/devices')
export class DevicesController {
  constructor(private readonly devices: KnownDevicesService) {}

  /**
   * Revokes every device token of the number.
   *
   * Each device is an unknown device on its next sign-in, including this one. Sessions are not revoked.
   */
  @ApiNoContentResponse({ description: 'The device tokens are revoked.' })
  @Problems('unauthenticated', 'insufficient_scope', 'cross_site_request')
  @Delete()
  @HttpCode(204)
  async revokeDevices(@CurrentUser() { phoneNumber }: User): Promise<void> {
    await this.devices.forgetAll(phoneNumber);
  }
}
