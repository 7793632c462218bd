export { earlierFormsOf } from './line-forms.js';
export {
  blockOf,
  isReachableBy,
  kindOfNumber,
  type Line,
  maskPhoneNumber,
  type NumberKind,
  type PhoneNumber,
  parsePhoneNumber,
  type ReadingOptions,
  type Region,
  withLatinDigits,
} from './phone-number.js';
