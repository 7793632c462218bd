import { ApiSchema } from '@nestjs/swagger';

@ApiSchema({ description: 'An error of OAuth (RFC 6749, section 5.2).' })
export class OAuthErrorDto {
  /**
   * The error.
   * @example "invalid_client"
   */
  error: string;

  /**
   * The cause, for developers.
   * @example "send the id and the secret of a client by HTTP Basic"
   */
  error_description: string;

  /**
   * A page about the problem.
   * @example "https://sign-in.example.org/problems/invalid_client"
   */
  error_uri: string;
}
