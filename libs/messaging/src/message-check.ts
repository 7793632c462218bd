import { type AppConfig, ConfigurationError } from '#config';
import { LOCALES } from './locales.js';
import { sampleCode } from './message-lint.js';
import { segmentsOf } from './segments.js';
import { fitsOneSms, type TemplateConfig, Templates } from './templates.js';

/** What an attack can bring a code to, whatever its usual length. */
const LONGEST_CODE = 10;

const LONGEST_SECONDS = 600;

const SHORT_BRAND = 'Latchkey';

/**
 * Whether every SMS fits one segment, which is the unit that is paid for.
 *
 * @returns a warning when only the longest codes, which are rare, do not fit.
 * @throws ConfigurationError when codes of the usual length do not fit.
 */
export function checkMessages({ brand, autofill, otp }: TemplateConfig & Pick<AppConfig, 'otp'>): string[] {
  const usual = misfitOf({ brand, autofill }, otp.length);
  if (usual) throw new ConfigurationError([{ name: usual.name, rule: `must be ${usual.rule}` }]);
  const rare = misfitOf({ brand, autofill }, LONGEST_CODE);
  return rare ? [`${rare.name} should be ${rare.rule}`] : [];
}

/** The variable to blame, and how it should be; null: all is well. */
function misfitOf(config: TemplateConfig, codeLength: number): { name: string; rule: string } | null {
  const locales = tooLong(config, codeLength);
  if (locales.length === 0) return null;
  const why = `a code of ${codeLength} characters does not fit one SMS in ${locales.join(', ')}`;
  if (isHostToBlame(config, codeLength)) return { name: 'SMS_ORIGIN', rule: `shorter: ${why}` };
  const isCostly = segmentsOf(config.brand).encoding === 'UCS-2';
  return { name: 'BRAND', rule: `shorter${isCostly ? ', or in the letters of GSM-7' : ''}: ${why}` };
}

/** A short brand would not fit beside it either. */
function isHostToBlame(config: TemplateConfig, codeLength: number): boolean {
  return tooLong({ ...config, brand: SHORT_BRAND }, codeLength).length > 0;
}

/** The locales whose SMS with a code of this length does not fit. */
function tooLong(config: TemplateConfig, codeLength: number): string[] {
  const templates = new Templates(config);
  const occasion = {
    channel: 'sms',
    code: sampleCode(codeLength),
    validForSeconds: LONGEST_SECONDS,
  } as const;
  return Object.keys(LOCALES).filter(
    (locale) => !fitsOneSms(templates.compose({ ...occasion, locale }), config.autofill),
  );
}
