import { ConfigurationError } from '#config';
import { lintOwnTexts } from './message-lint.js';
import type { MessagingOptions } from './messaging-options.js';
import { segmentsOf } from './segments.js';
import { autofillLines, fitsOneSms, type TemplateConfig, Templates } from './templates.js';

const LONGEST_SECONDS = 600;

const SHORT_BRAND = 'Latchkey';

/**
 * Checks all messages. It needs no other service, so a start can call it before it connects to one.
 *
 * @returns warnings.
 * @throws ConfigurationError when codes of the usual length do not fit one SMS, or a text of `MESSAGES_FILE` has a fault.
 */
export function checkAllMessages(options: MessagingOptions): string[] {
  return [...checkMessages(options), ...checkOwnTexts(options), ...checkWhatsApp(options)];
}

/**
 * Checks that every built-in SMS fits one segment, which is the unit of payment.
 *
 * @returns warnings when only the longest codes, which are rare, do not fit.
 * @throws ConfigurationError when codes of the usual length do not fit.
 */
export function checkMessages({
  brand,
  autofill,
  sampleCodes,
  locales: all,
  ownTexts,
}: Pick<MessagingOptions, 'brand' | 'autofill' | 'sampleCodes' | 'locales' | 'ownTexts'>): string[] {
  const locales = all.filter((locale) => ownTexts.locales[locale]?.sms === undefined);
  const usual = misfitOf({ brand, autofill }, sampleCodes.usual, locales);
  if (usual) throw new ConfigurationError([{ name: usual.name, rule: `must be ${usual.rule}` }]);
  const rare = misfitOf({ brand, autofill }, sampleCodes.longest, locales);
  return rare ? [`${rare.name} should be ${rare.rule}`] : [];
}

/**
 * Checks the texts of `MESSAGES_FILE`.
 *
 * @returns warnings when only the longest codes, which are rare, do not fit.
 * @throws ConfigurationError when a text has a fault with codes of the usual length.
 */
export function checkOwnTexts({
  brand,
  autofill,
  sampleCodes,
  ownTexts,
}: Pick<MessagingOptions, 'brand' | 'autofill' | 'sampleCodes' | 'ownTexts'>): string[] {
  const faultsWith = (code: string) =>
    lintOwnTexts({ brand, autofill }, [code], ownTexts).flatMap(({ country, locale, kind, faults }) => {
      const path = country === null ? `locales.${locale}` : `countries.${country}.${locale}`;
      return faults.map((fault) => `${path}.${kind} ${fault}`);
    });
  const usual = faultsWith(sampleCodes.usual);
  if (usual.length > 0)
    throw new ConfigurationError([{ name: 'MESSAGES_FILE', rule: [...new Set(usual)].join('; ') }]);
  const rare = [...new Set(faultsWith(sampleCodes.longest))];
  const { length } = sampleCodes.longest;
  return rare.map((fault) => `MESSAGES_FILE: ${fault}, with a code of ${length} characters`);
}

/** Returns a warning for WhatsApp without a template, which only Twilio's sandbox accepts. */
export function checkWhatsApp({ twilio }: Pick<MessagingOptions, 'twilio'>): string[] {
  if (!twilio?.whatsapp || twilio.whatsapp.contentSid !== null) return [];
  return [
    "TWILIO_WHATSAPP_CONTENT_SID is not set: Twilio's sandbox delivers text only within 24 hours after the recipient wrote to it",
  ];
}

/** Returns the variable to change and the rule it breaks; null when every SMS fits. */
function misfitOf(
  config: TemplateConfig,
  code: string,
  locales: readonly string[],
): { name: string; rule: string } | null {
  const tooLong = localesTooLong(config, code, locales);
  if (tooLong.length === 0) return null;
  const why = `a code of ${code.length} characters does not fit one SMS in ${tooLong.join(', ')}`;
  if (isOriginTooLong(config, code, locales)) return { name: 'SMS_ORIGIN', rule: `shorter: ${why}` };
  const needsUcs2 = segmentsOf(config.brand).encoding === 'UCS-2';
  return { name: 'BRAND', rule: `shorter${needsUcs2 ? ', or use only GSM-7 characters' : ''}: ${why}` };
}

/** Returns whether even a short brand would not fit beside the origin. */
function isOriginTooLong(config: TemplateConfig, code: string, locales: readonly string[]): boolean {
  return localesTooLong({ ...config, brand: SHORT_BRAND }, code, locales).length > 0;
}

function localesTooLong(config: TemplateConfig, code: string, locales: readonly string[]): string[] {
  const templates = new Templates(config);
  const occasion = { channel: 'sms', code, validForSeconds: LONGEST_SECONDS } as const;
  const lines = autofillLines(config.autofill);
  return locales.filter((locale) =>
    lines.some((line) => {
      const appHash = line && 'appHash' in line ? line.appHash : null;
      return !fitsOneSms(templates.compose({ ...occasion, locale, appHash }), line);
    }),
  );
}
