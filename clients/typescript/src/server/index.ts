export { authenticate, type Decision, type Refusal } from './authenticate.js';
export { expressAuth, fastifyAuth, identityOf, nestAuth } from './frameworks.js';
export { type Identity, type Verifier, VerifierMisconfigured, VerifierUnavailable } from './identity.js';
export { type IntrospectionOptions, introspectionVerifier, type VerifierError } from './introspection.js';
export { type SignedTokenOptions, signedTokenVerifier } from './signed-tokens.js';
