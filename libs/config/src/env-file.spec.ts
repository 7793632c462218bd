import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ended, ServerProcess } from '../../../test/support/server-process.js';

describe('A file .env in the working directory', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'latchkey-env-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a command that reads the configuration, and needs no database. */
  function lint(content: string | Buffer | null, variables: Record<string, string> = {}): Promise<Ended> {
    if (content !== null) writeFileSync(join(folder, '.env'), content);
    return ServerProcess.spawn('cli', variables, ['messages', 'lint'], folder).ended();
  }

  it('sets variables', async () => {
    const { code, output } = await lint(
      '# names\r\n\r\nBRAND="Acme # 1"\r\n  export SMS_ORIGIN = example.com\n',
    );
    expect(code).toBe(0);
    expect(output).toContain('Acme # 1');
    expect(output).toContain('@example.com #');
  });

  it('does not replace variables of the process, empty ones included', async () => {
    const { output } = await lint('BRAND=FromFile\nSMS_ORIGIN=file.example', {
      BRAND: 'FromProcess',
      SMS_ORIGIN: '',
    });
    expect(output).toContain('FromProcess');
    expect(output).not.toMatch(/FromFile|file\.example/);
  });

  it('may be missing', async () => {
    expect((await lint(null)).code).toBe(0);
  });

  it.each<[what: string, content: string]>([
    ['nothing', ''],
    ['no line break at its end', 'BRAND=Acme'],
    ['values of several lines', 'BRAND=Acme\nNOTE="one\ntwo: three\n"\nOTHER=\'a\nb\'\n'],
    ['empty values', 'SMS_ORIGIN=\nSMS_APP_HASH=""\n'],
    ['comments', '#a\n  # b\nBRAND=Acme # c\n'],
    ['names of other programs', 'npm_config_x=1\nSPRING.PROFILE=a\nX-Y=2\n'],
  ])('may have %s', async (_, content) => {
    expect(await lint(content)).toMatchObject({ code: 0 });
  });

  it.each<[what: string, content: string | Buffer, rule: string]>([
    ['a line without =', 'BRAND=Acme\n\nhunter2\n', 'line 3 must be NAME=value, or a comment'],
    ['a line with a colon', 'SECRET: hunter2', 'line 1 must be NAME=value, or a comment'],
    ['a line without a name', 'A="b\nc"\n=hunter2', 'line 3 must be NAME=value, or a comment'],
    ['text in another encoding', Buffer.from('BRAND=hunter2\xe9', 'latin1'), 'must be text in UTF-8'],
    ['bytes that are no text', Buffer.from('BRAND=hunter2\0'), 'must be text in UTF-8'],
    ['an invalid value', 'OTP_LENGTH=hunter2', 'OTP_LENGTH: must be a whole number'],
  ])('ends the start with 78 after %s, and is not quoted', async (_, content, rule) => {
    const { code, output } = await lint(content);
    expect(code).toBe(78);
    expect(output).toContain(rule);
    expect(output).not.toMatch(/hunter2|^\s+at /m);
  });

  it.each(['api', 'worker', 'cli'] as const)(
    'is read by the %s, which says when it cannot',
    async (program) => {
      mkdirSync(join(folder, '.env'));
      const args = program === 'cli' ? ['migrate'] : [];
      const { code, output } = await ServerProcess.spawn(program, {}, args, folder).ended();
      expect(code).toBe(78);
      expect(output).toContain('.env: the file cannot be read: EISDIR');
      expect(output).not.toMatch(/^\s+at /m);
    },
  );
});
