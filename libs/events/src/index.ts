export { type EventKind, type RecordedEvent, requestId } from './event.js';
export { EventPolicy } from './event-policy.js';
export { EventsModule } from './events.module.js';
export { type EventFilter, EventsRepository } from './events.repository.js';
