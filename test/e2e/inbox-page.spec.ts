import type { Locator, Page } from 'playwright-core';
import { InboxProvider } from '#messaging';
import { type RunningApi, startApi } from '../support/api.js';
import { type Browser, findChromium, openBrowser } from '../support/browser.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { waitFor } from '../support/wait.js';

const chromium = findChromium();
const describeInChromium = chromium ? describe : describe.skip;

const WCAG_AA = 4.5;

/** Globals of functions that run in the page. */
declare const document: { documentElement: { scrollWidth: number; clientWidth: number } };
declare const navigator: { clipboard: { readText(): Promise<string> } };
declare const getComputedStyle: (element: unknown) => Record<string, string>;
declare const getSelection: () => { selectAllChildren(element: unknown): void };

describeInChromium('The inbox page', () => {
  let api: RunningApi;
  let inbox: InboxProvider;
  let browser: Browser | undefined;
  let page: Page;
  let consoleMessages: string[];

  beforeAll(async () => {
    // Longer than a test: a message without a report stays as it is.
    api = await startApi(POSTGRES_ALONE, { FALLBACK: 'sms>whatsapp>call@60s' });
    inbox = api.nest.get(InboxProvider);
    browser = await openBrowser(chromium as string);
    await browser.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  });
  beforeEach(async () => {
    inbox.clear();
    inbox.plan = 'deliver';
    consoleMessages = [];
    page = await (browser as Browser).context.newPage();
    page.setDefaultTimeout(10_000);
    await page.addInitScript(pollMoreOften);
    // Violations of the content security policy are console messages, too.
    page.on('console', (message) => consoleMessages.push(message.text()));
    page.on('pageerror', (error) => consoleMessages.push(String(error)));
    await page.goto(`${api.client.url}/dev/inbox`);
  });
  afterEach(async () => {
    await page.close();
    await endWaits();
    expect(consoleMessages).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await api?.stop();
  });

  const rows = () => page.locator('#messages > li');
  const newest = () => rows().first();
  const oldest = () => rows().last();
  const button = (name: string, within: Page | Locator = page) =>
    within.getByRole('button', { name, exact: true });
  const step = (text: string, within: Locator = newest()) =>
    within.locator('.history li').filter({ hasText: text });
  const textOf = (part: string, within: Locator = newest()) => within.locator(part).textContent();
  const styleOf = (element: Locator, property: string) =>
    element.evaluate((each, name) => getComputedStyle(each)[name], property);

  const untilGone = (element: Locator) => element.waitFor({ state: 'hidden' });
  const untilRows = (count: number) =>
    waitFor(`${count} messages on the page`, async () => (await rows().count()) === count);

  async function choose(outcome: 'deliver' | 'fail' | 'delay'): Promise<void> {
    await button(outcome).click();
    await page.locator(`[value=${outcome}][aria-pressed=true]`).waitFor();
  }

  /** Ends the delayed messages of a test, whose fallbacks would otherwise appear in the next test. */
  async function endWaits(): Promise<void> {
    const waiting = () =>
      inbox
        .messages()
        .filter(({ channel, history }) => channel === 'sms' && history.at(-1)?.status === 'accepted');
    for (const { id } of waiting()) inbox.settle(id, 'delivered');
    await waitFor('the end of all waits', () => waiting().length === 0);
  }

  /** Opens a verification and returns its phone number. */
  async function requestCode(about: Record<string, string> = {}): Promise<string> {
    const phone_number = someNumber();
    const { status } = await api.client.post('/v1/verifications', { phone_number, ...about });
    expect(status).toBe(202);
    return phone_number;
  }

  it('shows a command to paste while it is empty', async () => {
    const example = page.locator('#example');
    await example.waitFor();
    expect(await example.textContent()).toBe(
      `curl ${api.client.url}/v1/verifications \\\n  -H 'Content-Type: application/json' \\\n` +
        `  -d '{ "phone_number": "+14155550123" }'`,
    );
    await untilGone(button('Clear'));
  });

  it('shows a message and the history of its delivery', async () => {
    const phoneNumber = await requestCode({ locale: 'de' });
    await step('delivered').waitFor();
    const code = await api.codeFor(phoneNumber);
    expect(await textOf('.to')).toBe(phoneNumber);
    expect(await textOf('.channel')).toBe('sms');
    expect(await textOf('.locale')).toBe('de');
    expect(await textOf('.segments')).toBe('1 segment');
    expect(await textOf('.code')).toBe(code);
    expect(await textOf('.body')).toBe(inbox.messages()[0]?.body);
    expect(await newest().locator('.body').getAttribute('lang')).toBe('de');
    expect(await newest().locator('.history li').allTextContents()).toEqual([
      'queued',
      expect.stringMatching(/^delivered( after \d+\.\d s)?$/),
    ]);
    await untilGone(page.locator('#empty'));
    expect(await page.getByText('1 message', { exact: true }).isVisible()).toBe(true);
  });

  it('shows the newest message first', async () => {
    await requestCode();
    await untilRows(1);
    const phoneNumber = await requestCode();
    await untilRows(2);
    expect(await textOf('.to')).toBe(phoneNumber);
  });

  it('writes Arabic from right to left', async () => {
    await requestCode({ locale: 'ar' });
    const body = newest().locator('.body');
    expect(await body.getAttribute('dir')).toBe('auto');
    expect(await styleOf(body, 'direction')).toBe('rtl');
    expect(await styleOf(newest(), 'direction')).toBe('ltr');
  });

  it('shows markup in a message as text', async () => {
    const hostile = '<img src=x onerror=alert(1)><script>alert(2)</script>&amp;</p>';
    const texts = { locale: hostile, body: hostile, code: hostile, reference: 'none' };
    await inbox.send({ to: '+14155550123' as never, channel: 'sms', validForSeconds: 300, ...texts });
    await newest().waitFor();
    for (const part of ['.locale', '.body', '.code']) expect(await textOf(part)).toBe(hostile);
    expect(await page.locator('#messages :is(img, script)').count()).toBe(0);
  });

  it('copies the code', async () => {
    await requestCode();
    await button('Copy').click();
    await button('Copied').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(await textOf('.code'));
    await button('Copy').waitFor();
  });

  it('shows the fallback of a failed message with the same code', async () => {
    await choose('fail');
    await requestCode();
    await step('undelivered: unreachable', oldest()).waitFor();
    await step('replaced by whatsapp', oldest()).waitFor();
    await untilRows(2);
    expect(await textOf('.channel')).toBe('whatsapp');
    expect(await textOf('.segments')).toBe('');
    expect(await textOf('.code')).toBe(await textOf('.code', oldest()));
    await step('undelivered: unreachable').waitFor();
    expect(await button('Fail').count()).toBe(0);
  });

  it('delivers a delayed message by hand', async () => {
    await choose('delay');
    await requestCode();
    await step('accepted').waitFor();
    expect(await button('Fail').isVisible()).toBe(true);
    await button('Deliver').click();
    await step('delivered').waitFor();
    await untilGone(button('Deliver'));
    await untilGone(button('Fail'));
  });

  it('fails a delayed message by hand', async () => {
    await choose('delay');
    await requestCode();
    await step('accepted').waitFor();
    await choose('deliver');
    await button('Fail').click();
    await step('undelivered: unreachable', oldest()).waitFor();
    await untilRows(2);
    await step('delivered').waitFor();
  });

  it('shows the fallback of a message without a report, and the late delivery of the first message', async () => {
    const quick = await startApi(POSTGRES_ALONE, { FALLBACK: 'sms>whatsapp@5s' });
    await page.goto(`${quick.client.url}/dev/inbox`);
    await choose('delay');
    await quick.client.post('/v1/verifications', { phone_number: someNumber() });
    await step('replaced by whatsapp', oldest()).waitFor({ timeout: 20_000 });
    await untilRows(2);
    await step('accepted').waitFor();
    expect(await textOf('.code')).toBe(await textOf('.code', oldest()));
    await untilGone(button('Fail', oldest()));
    await button('Deliver', oldest()).click();
    await step('delivered', oldest()).waitFor();
    await button('Deliver', newest()).click();
    await untilGone(button('Deliver'));
    await page.close();
    await quick.stop();
  });

  it('shows the chosen plan and its meaning, also after a reload', async () => {
    const pressed = page.locator('#plan [aria-pressed=true]');
    const meaning = page.locator('#meaning');
    for (const [outcome, means] of [
      ['fail', /are not delivered/],
      ['delay', /until you press Deliver or Fail/],
    ] as const) {
      await choose(outcome);
      await page.reload();
      await pressed.waitFor();
      expect(await pressed.allTextContents()).toEqual([outcome]);
      expect(await meaning.textContent()).toMatch(means);
    }
  });

  it('deletes all messages', async () => {
    await requestCode();
    await untilRows(1);
    await button('Clear').click();
    await page.locator('#empty').waitFor();
    expect(await rows().count()).toBe(0);
    expect(inbox.messages()).toEqual([]);
    expect(await textOf('#state', page.locator('header'))).toBe('');
  });

  it('keeps unchanged messages in place, so that selections survive', async () => {
    await choose('delay');
    await requestCode();
    await step('accepted').waitFor();
    const row = await newest().elementHandle();
    const selected = () => page.evaluate(() => String(getSelection()));
    await newest()
      .locator('.body')
      .evaluate((body) => getSelection().selectAllChildren(body));
    const before = await selected();
    await requestCode();
    await untilRows(2);
    inbox.settle(inbox.messages()[1]?.id as string, 'delivered');
    await step('delivered', oldest()).waitFor();
    expect(before).toBe(inbox.messages()[1]?.body);
    expect(await selected()).toBe(before);
    expect(await oldest().evaluate((now, then) => now === then, row)).toBe(true);
  });

  it('works with the keyboard alone and shows the focus', async () => {
    inbox.plan = 'delay';
    await requestCode();
    await step('accepted').waitFor();
    const reached: (string | null)[] = [];
    const names = ['Clear', 'deliver', 'fail', 'delay', 'Copy', 'Deliver', 'Fail'];
    for (const name of names) {
      await page.keyboard.press('Tab');
      const focused = page.locator(':focus');
      reached.push(await focused.textContent());
      expect({ name, outline: await styleOf(focused, 'outlineStyle') }).toEqual({ name, outline: 'solid' });
    }
    expect(reached).toEqual(names);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await step('delivered').waitFor();
  });

  it('fits a screen of 360 pixels, empty and full', async () => {
    const overflow = () =>
      page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.locator('#example').waitFor();
    expect(await overflow()).toBe(0);
    await choose('fail');
    await requestCode({ locale: 'ar' });
    await step('replaced by whatsapp', oldest()).waitFor();
    await choose('delay');
    await requestCode();
    await step('accepted').waitFor();
    expect(await overflow()).toBe(0);
  });

  it.each(['light', 'dark'] as const)('has enough contrast in the %s scheme', async (colorScheme) => {
    await page.emulateMedia({ colorScheme });
    const contrasts: Record<string, number> = {};
    const measure = async (what: string, element: Locator) => {
      contrasts[what] = await element.evaluate(contrastOf);
    };
    await page.locator('#example').waitFor();
    await measure('what to do', page.locator('#empty p'));
    await measure('the example', page.locator('#example'));
    await requestCode();
    await step('delivered').waitFor();
    await measure('good', step('delivered'));
    await choose('fail');
    await requestCode();
    await untilRows(3);
    await step('undelivered').waitFor();
    await measure('bad', step('undelivered'));
    await measure('a step', step('queued'));
    for (const part of ['.to', '.channel', '.code', '.body', 'time', '.copy']) {
      await measure(part, newest().locator(part));
    }
    for (const part of ['h1', '#state', 'legend', '#meaning', '#clear', '[value=fail]', '[value=delay]']) {
      await measure(part, page.locator(part));
    }
    const tooLow = Object.entries(contrasts).filter(([, contrast]) => !(contrast >= WCAG_AA));
    expect(tooLow).toEqual([]);
    expect(await styleOf(page.locator('body'), 'colorScheme')).toBe('light dark');
  });

  it('reports that the server does not answer, and recovers', async () => {
    const outage = page.getByText('The server does not answer');
    await page.route('**/dev/inbox/messages', (route) => route.abort());
    await outage.waitFor();
    // Chromium logs each request without an answer.
    consoleMessages = consoleMessages.filter((text) => !/net::ERR_FAILED/.test(text));
    await page.unroute('**/dev/inbox/messages');
    await requestCode();
    await untilRows(1);
    await untilGone(outage);
    consoleMessages = consoleMessages.filter((text) => !/net::ERR_FAILED/.test(text));
  });
});

/** Runs in the page: shortens its polling interval of one second. */
function pollMoreOften(): void {
  const { setTimeout } = globalThis;
  const shortened = (run: () => void, ms: number) => setTimeout(run, ms === 1_000 ? 100 : ms);
  Object.assign(globalThis, { setTimeout: shortened });
}

/** Runs in the page: returns the contrast of an element's text with its background (WCAG 2.2, relative luminance). */
function contrastOf(element: { parentElement: unknown }): number {
  const numbers = (colour = '') => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (colour: number[]) => {
    const linear = (c: number) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [red = 0, green = 0, blue = 0] = colour.map((each) => linear(each / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const backgroundOf = (behind: { parentElement: unknown }): number[] => {
    const ground = numbers(getComputedStyle(behind).backgroundColor);
    return ground[3] === 0 ? backgroundOf(behind.parentElement as typeof behind) : ground;
  };
  const [text, ground] = [
    luminance(numbers(getComputedStyle(element).color)),
    luminance(backgroundOf(element)),
  ];
  return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
}
