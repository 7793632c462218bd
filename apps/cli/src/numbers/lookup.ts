import { NumberLookupService } from '#auth';
import { runWithServices } from '../application.js';
import { argumentOrInput, numberOrFailure } from '../phone-number.js';
import { textOf } from './report.js';

/** @param number `-` for standard input. */
export async function lookUp(number: string, json: boolean): Promise<void> {
  const phoneNumber = numberOrFailure(await argumentOrInput(number));
  await runWithServices(async (app) => {
    const report = await app.get(NumberLookupService).lookUp(phoneNumber);
    return json ? JSON.stringify(report, null, 2) : textOf(report);
  });
}
