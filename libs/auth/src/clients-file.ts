import 'reflect-metadata'; // class-transformer uses it
import { plainToInstance, Type } from 'class-transformer';
import {
  ArrayNotEmpty,
  IsArray,
  IsIn,
  IsOptional,
  Matches,
  ValidateBy,
  ValidateNested,
  type ValidationError,
  validateSync,
} from 'class-validator';
import { parseRate, type Rate, readJsonFile } from '#config';
import { type ApiClientLimits, ApiClients, CLIENT_PURPOSES, type ClientPurpose } from './api-clients.js';

const USUAL: ApiClientLimits = {
  introspect: { points: 5_000, seconds: 10 },
  sends: { points: 300, seconds: 600 },
  checks: { points: 600, seconds: 600 },
};

const IsRate = () =>
  ValidateBy(
    {
      name: 'isRate',
      validator: { validate: (text) => typeof text === 'string' && parseRate(text) !== null },
    },
    { message: 'must be a rate such as 5000/10s' },
  );

class LimitsEntry {
  @IsOptional()
  @IsRate()
  introspect?: string;

  @IsOptional()
  @IsRate()
  sends?: string;

  @IsOptional()
  @IsRate()
  checks?: string;
}

class ClientEntry {
  @Matches(/^[\w.-]{1,64}$/, { message: 'must be 1 to 64 letters, digits and . _ -' })
  id: string;

  @Matches(/^[^\p{Cc}]{1,100}$/u, { message: 'must be text of 1 to 100 characters' })
  name: string;

  @Matches(/^[0-9a-f]{64}$/i, { message: 'must be the SHA-256 of the secret: 64 hexadecimal digits' })
  secret_sha256: string;

  @IsIn(CLIENT_PURPOSES, { each: true, message: `must be one or more of: ${CLIENT_PURPOSES.join(', ')}` })
  @ArrayNotEmpty({ message: 'must not be empty' })
  purposes: ClientPurpose[];

  @IsOptional()
  @ValidateNested({ message: 'must be an object' })
  @Type(() => LimitsEntry)
  limits?: LimitsEntry;
}

class ClientsFile {
  @IsArray({ message: 'must be a list' })
  @ValidateNested({ each: true, message: 'must be an object' })
  @Type(() => ClientEntry)
  clients: ClientEntry[];
}

/**
 * Returns the clients of a JSON file.
 *
 * @param file null: there are no clients.
 * @throws Error whose message names the members of the file and their rules, never a value.
 */
export function readClients(file: string | null): ApiClients {
  if (file === null) return new ApiClients([]);
  const { clients } = checkClients(readJsonFile(file));
  return new ApiClients(
    clients.map(({ id, name, secret_sha256, purposes, limits }) => ({
      ...{ id, name, purposes, secretHash: Buffer.from(secret_sha256, 'hex') },
      limits: limitsOf(limits),
    })),
  );
}

/**
 * Returns the content of a file if it is valid.
 *
 * @throws Error as `readClients` does.
 */
export function checkClients(given: unknown): ClientsFile {
  const file = checked(given);
  const { clients } = file;
  const repeated = clients.find(({ id }, n) => clients.findIndex((other) => other.id === id) !== n);
  if (repeated) throw new Error('clients: two have the same id');
  return file;
}

function limitsOf(given: LimitsEntry = {}): ApiClientLimits {
  const rate = (name: keyof ApiClientLimits): Rate => parseRate(given[name] ?? '') ?? USUAL[name];
  return { introspect: rate('introspect'), sends: rate('sends'), checks: rate('checks') };
}

function checked(given: unknown): ClientsFile {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new Error('the file must be an object');
  const file = plainToInstance(ClientsFile, given);
  const faults = validateSync(file, { whitelist: true, forbidNonWhitelisted: true }).flatMap((fault) =>
    textsOf(fault),
  );
  if (faults.length > 0) throw new Error(faults.join('; '));
  return file;
}

function textsOf({ property, constraints = {}, children = [] }: ValidationError, parent = ''): string[] {
  const path = parent + property;
  const rules = 'whitelistValidation' in constraints ? ['is not known here'] : Object.values(constraints);
  return [
    ...rules.map((rule) => `${path} ${rule}`),
    ...children.flatMap((child) => textsOf(child, `${path}.`)),
  ];
}
