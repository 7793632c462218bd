import { Test } from '@nestjs/testing';
import { Counter, Registry } from 'prom-client';
import { MetricsModule } from './metrics.module.js';

describe('MetricsModule', () => {
  it('gives each application in a process a registry of its own, with the default metrics', async () => {
    const applications = await Promise.all([0, 1].map(() => createApplication()));
    const [first, second] = applications.map((application) => application.get(Registry)) as [
      Registry,
      Registry,
    ];
    for (const registry of [first, second]) {
      const counter = { name: 'signups_total', help: 'Sign-ups', registers: [registry] };
      expect(() => new Counter(counter)).not.toThrow();
    }
    (first.getSingleMetric('signups_total') as Counter).inc(3);

    expect(await first.metrics()).toContain('signups_total 3');
    expect(await second.metrics()).toContain('signups_total 0');
    expect(await second.metrics()).toContain('process_cpu_seconds_total');
    for (const application of applications) await application.close();
  });
});

function createApplication() {
  return Test.createTestingModule({ imports: [MetricsModule] }).compile();
}
