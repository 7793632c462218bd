export {
  maskPhoneNumber,
  type PhoneNumber,
  parsePhoneNumber,
  type Region,
  withLatinDigits,
} from './phone-number.js';
