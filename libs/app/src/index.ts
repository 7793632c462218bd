export { AppModule } from './app.module.js';
export { skewOf } from './clock-skew.service.js';
export { CommandModule } from './command.module.js';
export { DoctorModule } from './doctor.module.js';
