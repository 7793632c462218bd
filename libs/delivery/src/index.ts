export { BadNumberEntity } from './bad-number.entity.js';
export { BadNumbersModule } from './bad-numbers.module.js';
export { BadNumbersRepository, type BadRoute } from './bad-numbers.repository.js';
export { ConfirmCodeTask } from './confirm-code.task.js';
export { DeliveryModule } from './delivery.module.js';
export { DeliveryService, isWorthSending, SEND_CODE } from './delivery.service.js';
export { QUEUED_MESSAGE } from './queued-messages.repository.js';
export { DeliveryOptions } from './route-choice.js';
