import { ApiSchema } from '@nestjs/swagger';

@ApiSchema({ description: 'The process runs.' })
export class LivenessDto {
  /**
   * Always `ok`.
   * @example "ok"
   */
  status: 'ok';
}

@ApiSchema({ description: 'The process can answer requests.' })
export class ReadinessDto {
  /**
   * Always `ok`.
   * @example "ok"
   */
  status: 'ok';
  /**
   * The state of each dependency by name.
   * @example { "postgres": { "status": "up", "responseTime": 1 }, "queue": { "status": "up", "responseTime": 1 } }
   */
  dependencies: Record<string, unknown>;
}
