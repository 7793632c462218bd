export { authenticate, type Decision, type Refusal } from './authenticate.js';
export { expressAuth, fastifyAuth, identityOf, nestAuth } from './frameworks.js';
export { type Identity, type Verifier, VerifierUnavailable } from './identity.js';
export { type IntrospectionOptions, introspectionVerifier } from './introspection.js';
export { type SignedTokenOptions, signedTokenVerifier } from './signed-tokens.js';
