import { ConfigurationError } from '#config';
import { LOCALES } from './locales.js';
import type { MessagingOptions } from './messaging-options.js';
import { segmentsOf } from './segments.js';
import { fitsOneSms, type TemplateConfig, Templates } from './templates.js';

const LONGEST_SECONDS = 600;

const SHORT_BRAND = 'Latchkey';

/**
 * Checks that every SMS fits one segment, which is the unit of payment.
 *
 * @returns warnings when only the longest codes, which are rare, do not fit.
 * @throws ConfigurationError when codes of the usual length do not fit.
 */
export function checkMessages({
  brand,
  autofill,
  sampleCodes,
}: Pick<MessagingOptions, 'brand' | 'autofill' | 'sampleCodes'>): string[] {
  const usual = misfitOf({ brand, autofill }, sampleCodes.usual);
  if (usual) throw new ConfigurationError([{ name: usual.name, rule: `must be ${usual.rule}` }]);
  const rare = misfitOf({ brand, autofill }, sampleCodes.longest);
  return rare ? [`${rare.name} should be ${rare.rule}`] : [];
}

/** Returns the variable to change and the rule it breaks; null when every SMS fits. */
function misfitOf(config: TemplateConfig, code: string): { name: string; rule: string } | null {
  const locales = localesTooLong(config, code);
  if (locales.length === 0) return null;
  const why = `a code of ${code.length} characters does not fit one SMS in ${locales.join(', ')}`;
  if (isOriginTooLong(config, code)) return { name: 'SMS_ORIGIN', rule: `shorter: ${why}` };
  const needsUcs2 = segmentsOf(config.brand).encoding === 'UCS-2';
  return { name: 'BRAND', rule: `shorter${needsUcs2 ? ', or use only GSM-7 characters' : ''}: ${why}` };
}

/** Returns whether even a short brand would not fit beside the origin. */
function isOriginTooLong(config: TemplateConfig, code: string): boolean {
  return localesTooLong({ ...config, brand: SHORT_BRAND }, code).length > 0;
}

function localesTooLong(config: TemplateConfig, code: string): string[] {
  const templates = new Templates(config);
  const occasion = { channel: 'sms', code, validForSeconds: LONGEST_SECONDS } as const;
  return Object.keys(LOCALES).filter(
    (locale) => !fitsOneSms(templates.compose({ ...occasion, locale }), config.autofill),
  );
}
