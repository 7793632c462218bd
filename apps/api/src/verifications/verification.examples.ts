/** Documents the id in the path. */
export const ID_PARAMETER = {
  name: 'id',
  description: 'The `id` of the verification.',
  schema: { type: 'string', examples: ['q0b7ZnG2S1mXw9cY4rT5uA'] },
};

/** Bodies to request a code with. */
export const REQUEST_EXAMPLES = {
  default: { summary: 'The default channel and language', value: { phone_number: '+14155550100' } },
  call: {
    summary: 'A call in English',
    value: { phone_number: '+14155550100', channel: 'call', locale: 'en', name: 'Ada' },
  },
};

/** Bodies to request the code again with. */
export const RESEND_EXAMPLES = {
  same_channel: { summary: 'The same channel', value: {} },
  call: { summary: 'A call', value: { channel: 'call' } },
};

/** Bodies to check a code with. */
export const CHECK_EXAMPLES = {
  code: { summary: 'A code', value: { code: '407918' } },
  named: { summary: 'A code of a new user, with a name', value: { code: '407918', name: 'Ada' } },
};
