import { ApiSchema, PickType } from '@nestjs/swagger';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { RequestFields } from '../http/request-fields.dto.js';

@ApiSchema({ description: 'Changes of the signed-in user. Absent members stay as they are.' })
export class ChangeMeDto extends PickType(RequestFields, ['name', 'locale']) {
  /**
   * The `version` that the change is based on. Another version is answered with `version_conflict`. Default: that of
   * `If-Match`; without either, the change is always made.
   * @example 1
   */
  @IsOptional()
  @IsInt({ message: 'must be a whole number' })
  @Min(1, { message: 'must be at least 1' })
  @Max(2_147_483_647, { message: 'must be at most 2147483647' })
  version?: number | null;
}
