import { Logger } from '@nestjs/common';
import { Registry } from 'prom-client';
import { AbuseEvents } from './abuse-events.js';

Logger.overrideLogger(false);

describe('AbuseEvents', () => {
  it('counts events by kind and name, in the registry of its own application only', async () => {
    const [one, other] = [new Registry(), new Registry()];
    const events = new AbuseEvents(one, { trial: false });
    new AbuseEvents(other, { trial: false });
    events.record('refused', { name: 'cool_down' });
    events.record('refused', { name: 'cool_down', retry_after: 30 });
    expect(await one.metrics()).toContain(
      'latchkey_abuse_events_total{event="refused",name="cool_down"} 2\n',
    );
    expect(await other.metrics()).not.toContain('cool_down');
  });
});
