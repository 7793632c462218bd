const text = (description: string, example: string) => ({ type: 'string', description, examples: [example] });

export const SERVICE_PARAMETER = {
  name: 'service',
  description: 'The SID of a service. Every text is accepted.',
  schema: { type: 'string', examples: ['VA00112233445566778899aabbccddeeff'] },
};

export const VERIFICATION_PARAMETER = {
  name: 'verification',
  description: 'The SID of the verification, or its phone number for the newest one.',
  schema: { type: 'string', examples: ['VE00112233445566778899aabbccddeeff'] },
};

export const START_FORM = {
  schema: {
    type: 'object',
    required: ['To', 'Channel'],
    properties: {
      To: text('The phone number in E.164 form.', '+14155550100'),
      Channel: text('`sms`, `whatsapp`, `call`, or `auto` for the usual one.', 'sms'),
      Locale: text('Language of the message (BCP 47).', 'en'),
      AppHash: text('SMS Retriever hash of the Android app.', 'FA+9qCX9VSu'),
      DeviceIp: text('The IP address of the user, which the limits count.', '203.0.113.7'),
    },
  },
};

export const CHECK_FORM = {
  schema: {
    type: 'object',
    required: ['Code'],
    properties: {
      Code: text('The code that the user entered.', '407918'),
      To: text('The phone number, if there is no `VerificationSid`.', '+14155550100'),
      VerificationSid: text('The SID of the verification.', 'VE00112233445566778899aabbccddeeff'),
      DeviceIp: text('The IP address of the user, which the limits count.', '203.0.113.7'),
    },
  },
};

export const CANCEL_FORM = {
  schema: {
    type: 'object',
    required: ['Status'],
    properties: { Status: text('Always `canceled`.', 'canceled') },
  },
};
