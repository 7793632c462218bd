export class LivenessDto {
  /** @example "ok" */
  status: 'ok';
}

export class ReadinessDto {
  /** @example "ok" */
  status: 'ok';
  /** @example { "postgres": { "status": "up", "responseTime": 1 } } */
  dependencies: Record<string, unknown>;
}
