/**
 * The data of each type of event, as the receiver gets it and without the members that only the inserting statement knows: see
 * docs/webhooks.md. `phone_number` is masked.
 */
interface WebhookData {
  'user.created': { readonly phone_number: string };
  'verification.approved': {
    readonly verification_id: string;
    readonly purpose: string;
    readonly channel: string;
    readonly phone_number: string;
    /** The client of the API that a verification without an account belongs to. */
    readonly client_id?: string;
    /** Absent for a verification without an account. */
    readonly session_id?: string;
    /** Absent also where the statement adds it. */
    readonly user_id?: string;
  };
  'session.created': {
    readonly session_id: string;
    readonly method: string;
    readonly phone_number: string;
  };
  'session.ended': { readonly reason: string };
  'message.failed': {
    /** The beginning of the verification's id: a whole id gives access to it. */
    readonly verification_reference: string;
    readonly channel: string;
    readonly provider: string;
    readonly status: string;
    readonly reason: string;
    /** The provider's error code, or a short word. */
    readonly code: string;
    readonly phone_number: string;
  };
  'block.tripped': {
    readonly block_id: string;
    readonly kind: string;
    readonly action: string;
    readonly until: string;
    /** False: the breaker only records what it would block. */
    readonly enforced: boolean;
  };
  'spending.warning': {
    readonly cap: string;
    readonly country: string;
    /** The share of the cap that is spent. */
    readonly share: number;
  };
}

/** An event to store. */
export type WebhookEvent = {
  [Type in keyof WebhookData]: { readonly type: Type; readonly data: WebhookData[Type] };
}[keyof WebhookData];

/** An event as it is sent. */
export interface OutgoingEvent {
  /** The same for every try, so that the receiver recognises an event that it has got already. */
  readonly id: string;
  readonly type: string;
  /** When it happened. */
  readonly timestamp: Date;
  readonly data: object;
}
