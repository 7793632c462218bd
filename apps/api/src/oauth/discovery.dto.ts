import { ApiSchema } from '@nestjs/swagger';

@ApiSchema({ description: 'A public key of signed tokens (RFC 7517).' })
export class PublicKeyDto {
  /**
   * The type of the key.
   * @example "EC"
   */
  kty?: string;

  /**
   * The curve.
   * @example "P-256"
   */
  crv?: string;

  /**
   * The x coordinate.
   * @example "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
   */
  x?: string;

  /**
   * The y coordinate.
   * @example "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
   */
  y?: string;

  /**
   * The id that the header of a token names.
   * @example "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"
   */
  kid?: string;

  /**
   * The algorithm of the signature.
   * @example "ES256"
   */
  alg?: string;

  /**
   * The use of the key.
   * @example "sig"
   */
  use?: string;
}

@ApiSchema({ description: 'The public keys of signed tokens.' })
export class PublicKeysDto {
  /** The key that signs, the next one, and those of tokens that may still be valid. */
  keys: PublicKeyDto[];
}

@ApiSchema({ description: 'Metadata of this server (RFC 8414).' })
export class ServerMetadataDto {
  /**
   * The claim `iss` of signed tokens.
   * @example "https://sign-in.example.org"
   */
  issuer: string;

  /**
   * The public keys of signed tokens.
   * @example "https://sign-in.example.org/.well-known/jwks.json"
   */
  jwks_uri: string;

  /** The scopes of tokens. */
  scopes_supported: string[];

  /** None: there is no authorization endpoint. */
  response_types_supported: string[];

  /** None: there is no token endpoint. */
  grant_types_supported: string[];

  /**
   * Where other services ask about a token (RFC 7662), if there are clients.
   * @example "https://sign-in.example.org/oauth/introspect"
   */
  introspection_endpoint?: string;

  /** The methods that clients authenticate with there. */
  introspection_endpoint_auth_methods_supported?: string[];

  /**
   * Where other services end the session of a token (RFC 7009), if there are clients.
   * @example "https://sign-in.example.org/oauth/revoke"
   */
  revocation_endpoint?: string;

  /** The methods that clients authenticate with there. */
  revocation_endpoint_auth_methods_supported?: string[];

  /**
   * Documentation for developers.
   * @example "https://sign-in.example.org/docs"
   */
  service_documentation?: string;
}
