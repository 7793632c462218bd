import { once } from 'node:events';

/** Stops the services and waits until they have cleaned up. */
export default async function stopServices(): Promise<void> {
  const services = globalThis.testServices;
  if (!services) return;
  const exit = once(services, 'exit');
  services.stdin.end();
  const [code] = await exit;
  if (code !== 0) throw new Error('the services of the tests failed to stop; see the error above');
}
