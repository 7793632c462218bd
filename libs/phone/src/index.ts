export { maskPhoneNumber, type PhoneNumber, parsePhoneNumber, type Region } from './phone-number.js';
