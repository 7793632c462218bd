export {
  blockOf,
  kindOfNumber,
  maskPhoneNumber,
  type NumberKind,
  type PhoneNumber,
  parsePhoneNumber,
  type Region,
  withLatinDigits,
} from './phone-number.js';
