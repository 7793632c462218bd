import { Logger } from '@nestjs/common';
import { FakeTwilio } from '../../../test/support/fake-twilio.js';
import { twilioConfigFor } from '../../../test/support/twilio-config.js';
import { CredentialsCheck } from './credentials-check.js';
import { TwilioProvider } from './message-provider.twilio.js';
import { MessageProviders } from './message-providers.js';

describe('CredentialsCheck', () => {
  let twilio: FakeTwilio;
  const warnings: string[] = [];

  beforeAll(async () => {
    twilio = await FakeTwilio.start();
    jest.spyOn(Logger.prototype, 'warn').mockImplementation((line) => void warnings.push(String(line)));
  });
  beforeEach(() => warnings.splice(0));
  afterAll(async () => {
    jest.restoreAllMocks();
    await twilio.stop();
  });

  /** Runs the check and returns when the provider has answered it. */
  async function check(overrides: Parameters<typeof twilioConfigFor>[1]): Promise<readonly string[]> {
    const provider = new TwilioProvider(twilioConfigFor(twilio, overrides), null);
    const tried = jest.spyOn(provider, 'tryCredentials');
    new CredentialsCheck(new MessageProviders([provider])).onApplicationBootstrap();
    await tried.mock.results[0]?.value.catch(() => {});
    return warnings;
  }

  it('is silent when the provider accepts the credentials, and sends nothing', async () => {
    expect(await check({})).toEqual([]);
    expect(twilio.messages).toEqual([]);
  });

  it('warns when the provider refuses the credentials, without naming them', async () => {
    expect(await check({ password: 'wrong-and-secret' })).toEqual([
      'the provider twilio refuses the account or its credentials (error 20003): no message can be sent through it now',
    ]);
  });

  it('warns when the provider cannot be reached', async () => {
    expect(await check({ apiUrl: 'http://127.0.0.1:9' })).toEqual([
      'the provider twilio cannot be reached (ECONNREFUSED): no message can be sent through it now',
    ]);
  });
});
