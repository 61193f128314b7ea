// A strict OAuth client goes the whole way: discovery, exchange, introspection, revocation, and the
// minted JWT verified by the published keys. Every answer is checked by the libraries' own rules.
//
//   node exchange.mjs keygen        prints a key pair for private_key_jwt
//   node exchange.mjs               reads what to do from the environment

import assert from 'node:assert/strict'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'

if (process.argv[2] === 'keygen') {
  const { publicKey, privateKey } = await jose.generateKeyPair('ES256', { extractable: true })
  const [publicJwk, privateJwk] = [await jose.exportJWK(publicKey), await jose.exportJWK(privateKey)]
  console.log(JSON.stringify({ public: { ...publicJwk, kid: 'strict', alg: 'ES256' }, private: privateJwk }))
  process.exit(0)
}

const { ISSUER, NOW, SUBJECT, RESOURCE, OPAQUE_RESOURCE, SECRET, PRIVATE_JWK } = process.env
const now = Number(NOW)
const http = { [oauth.allowInsecureRequests]: true }
const skew = { [oauth.clockSkew]: now - Math.floor(Date.now() / 1000) }
const gateway = { client_id: 'tyk', ...skew }
const api = { client_id: 'strict', ...skew }
const key = await crypto.subtle.importKey(
  'jwk', JSON.parse(PRIVATE_JWK), { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
const bySecret = oauth.ClientSecretBasic(SECRET)
const byKey = oauth.PrivateKeyJwt({ key, kid: 'strict' })

// Discovery, in both places.
const issuer = new URL(ISSUER)
for (const algorithm of ['oidc', 'oauth2']) {
  const found = await oauth.discoveryRequest(issuer, { algorithm, ...http })
  await oauth.processDiscoveryResponse(issuer, found)
}
const as = await oauth.processDiscoveryResponse(
  issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...http }))

async function exchange(client, authentication, subject, resource, more = {}) {
  const parameters = {
    subject_token: subject, subject_token_type: ACCESS_TOKEN, resource, ...more,
  }
  const answer = await oauth.genericTokenEndpointRequest(
    as, client, authentication, GRANT, parameters, http)
  return oauth.processGenericTokenEndpointResponse(as, client, answer)
}

async function introspect(client, authentication, token) {
  const answer = await oauth.introspectionRequest(as, client, authentication, token, http)
  return oauth.processIntrospectionResponse(as, client, answer)
}

// A JWT, verified as a resource server would.
const issued = await exchange(gateway, bySecret, SUBJECT, RESOURCE, { scope: 'orders.read' })
assert.equal(issued.token_type, 'bearer')
assert.equal(issued.issued_token_type, ACCESS_TOKEN)
const keys = jose.createRemoteJWKSet(new URL(as.jwks_uri))
const verified = await jose.jwtVerify(issued.access_token, keys, {
  issuer: ISSUER, audience: RESOURCE, typ: 'at+jwt', algorithms: ['ES256', 'RS256'],
  requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id'], currentDate: new Date(now * 1000),
})
assert.equal(verified.payload.scope, 'orders.read')
assert.equal(verified.payload.act.sub, 'tyk')
const told = await introspect(gateway, bySecret, issued.access_token)
assert.equal(told.active, true)
assert.deepEqual(told.act, verified.payload.act)
assert.equal(told.sub, verified.payload.sub)

// An answer signed for the one who asked (RFC 9701), checked by the same library.
const signing = { ...gateway, introspection_signed_response_alg: 'RS256' }
const signed = await oauth.introspectionRequest(
  as, signing, bySecret, issued.access_token, { requestJwtResponse: true, ...http })
assert.equal((await oauth.processIntrospectionResponse(as, signing, signed)).active, true)
await oauth.validateApplicationLevelSignature(as, signed, http)

// An opaque token, exchanged on by a client that signs its assertions.
const opaque = await exchange(gateway, bySecret, SUBJECT, OPAQUE_RESOURCE)
assert.match(opaque.access_token, /^tsr_[A-Za-z0-9_-]{43}$/)
const onward = await exchange(api, byKey, opaque.access_token, RESOURCE)
const chain = (await introspect(gateway, bySecret, onward.access_token)).act
assert.deepEqual([chain.sub, chain.act.sub], ['strict', 'tyk'])

// Errors are what the library knows them as.
for (const [resource, more, code] of [
  ['https://unknown.internal', {}, 'invalid_target'],
  [RESOURCE, { scope: 'orders.delete' }, 'invalid_scope'],
  [RESOURCE, { subject_token: 'x' }, 'invalid_request'],
]) {
  await assert.rejects(exchange(gateway, bySecret, SUBJECT, resource, more), (error) => {
    assert.ok(error instanceof oauth.ResponseBodyError, error)
    assert.equal(error.error, code)
    return true
  })
}

// Revocation ends the token and what came from it.
const revoked = await oauth.revocationRequest(as, gateway, bySecret, opaque.access_token, http)
await oauth.processRevocationResponse(revoked)
for (const ended of [opaque.access_token, onward.access_token]) {
  assert.equal((await introspect(gateway, bySecret, ended)).active, false)
}
assert.equal((await introspect(gateway, bySecret, issued.access_token)).active, true)
console.log('all good')
