// What an agent needs in order to work with tessera. Copy this file; it needs Node.js 20 alone.
//
//   const tessera = new Tessera('https://sts.example.com', identityFromEnvironment())
//   const answer = await tessera.call('GET', 'https://api.example.com/orders/42', userToken,
//     { resource: 'https://orders.internal', scopes: ['orders.read'] })
//
// The agent holds two tokens: its own, which says who it is, and the user's, which says for whom it
// works. It sends neither of them to an API. tessera makes of both a third, which is good for one
// resource, for some minutes, and says who acts for whom (RFC 8693).

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const TIMEOUT = 10 // seconds for one request
const LARGEST_ANSWER = 1024 * 1024 // bytes
const MARGIN = 30 // seconds before its end from which on a token is no longer used
const ATTEMPTS = 3 // when a server is busy
const PATIENCE = 20 // seconds that may be waited for a busy server, in all
const GRUDGE = 60 // seconds for which a refused user token is not presented again

// --- What can go wrong, and what to do about it --------------------------------------------------

/** Why the agent cannot go on. The text never holds a token. */
export class Refused extends Error {
  override get name(): string {
    return this.constructor.name
  }
}

/** The user's token is no longer accepted. Only the user can help, by signing in. */
export class SignInAgain extends Refused {}

/** The user, or the agent, may not do this. A new sign-in would not help; an operator may. */
export class NotAllowed extends Refused {}

/** Something is busy or down. */
export class TryLater extends Refused {}

/** Somebody answered what they should not have: a mistake in a configuration, or an attack. */
export class Unexpected extends Refused {}

/** The environment does not say what the agent has to know. */
export class NotConfigured extends Refused {}

// --- HTTP ----------------------------------------------------------------------------------------

export type Json = Record<string, unknown>

export class Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: string

  constructor(status: number, headers: Headers, body: string) {
    this.status = status
    this.headers = headers
    this.body = body
  }

  json(): Json {
    return jsonObject(this.body)
  }

  /** The parameters of the Bearer challenge (RFC 6750 §3): error, scope, resource_metadata. */
  challenge(): Record<string, string> {
    const found: Record<string, string> = {}
    let scheme = ''
    for (const match of (this.headers.get('www-authenticate') ?? '').matchAll(CHALLENGE)) {
      const { scheme: next, name = '', value = '' } = match.groups ?? {}
      scheme = (next ?? scheme).toLowerCase()
      if (scheme !== 'bearer') continue
      const plain = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value
      found[name.toLowerCase()] ??= plain
    }
    return found
  }
}

// `Scheme name=value`, or a further `name=value` of the same scheme; the values may be quoted.
const CHALLENGE =
  /(?:^|,)\s*(?:(?<scheme>[\w-]+)\s+)?(?<name>[\w-]+)\s*=\s*(?<value>"(?:[^"\\]|\\.)*"|[^\s,]+)/g

export function jsonObject(text: string): Json {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Unexpected('an answer is no JSON object')
  }
  return value as Json
}

/** One request, one answer, whatever its status. */
export async function send(
  method: string, url: string, headers: Record<string, string>, body?: string,
): Promise<Answer> {
  if (!isSafe(url)) {
    throw new Unexpected(`${url} is neither https nor on this machine: no token goes there`)
  }
  try {
    const response = await fetch(url, {
      method,
      headers,
      body,
      // A token is for the place that it was sent to, and for no other.
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT * 1000),
    })
    return new Answer(response.status, response.headers, await content(response))
  } catch (error) {
    if (error instanceof Refused) throw error
    throw new TryLater(`${origin(url)} cannot be reached (${kind(error)})`)
  }
}

/** What went wrong in the network, in one word. */
function kind(error: unknown): string {
  if (!(error instanceof Error)) return 'error'
  const { cause } = error
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.name
}

async function content(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > LARGEST_ANSWER) {
      throw new Unexpected(`${origin(response.url)} answered with more than ${LARGEST_ANSWER} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function isSafe(url: string): boolean {
  const parts = parsed(url)
  const onThisMachine = ['127.0.0.1', '[::1]', 'localhost'].includes(parts.hostname)
  return parts.protocol === 'https:' || (parts.protocol === 'http:' && onThisMachine)
}

export function origin(url: string): string {
  return parsed(url).origin
}

function parsed(url: string): URL {
  if (!URL.canParse(url)) throw new Unexpected(`${url} is no URL`)
  return new URL(url)
}

/** Asks again when a busy server says when to (RFC 9110 §10.2.3), but not for ever. */
export async function patiently(attempt: () => Promise<Answer>): Promise<Answer> {
  let waited = 0
  for (let number = 1; ; number += 1) {
    const answer = await attempt()
    if (answer.status !== 429 && answer.status !== 503) return answer
    // Without a time the request may have been carried out; its other form, a date, is rare.
    const said = answer.headers.get('retry-after') ?? ''
    const pause = /^[0-9]{1,9}$/.test(said) ? Number(said) : undefined
    if (pause === undefined || number === ATTEMPTS || waited + pause > PATIENCE) {
      const when = pause === undefined ? 'later' : `in ${pause} s`
      throw new TryLater(`a server is busy (status ${answer.status}): try again ${when}`)
    }
    log(`a server is busy (status ${answer.status}): waiting for ${pause} s`)
    await sleep(pause * 1000)
    waited += pause
  }
}

export function log(text: string): void {
  console.error(`  - ${text}`)
}

// --- Who the agent is ----------------------------------------------------------------------------

/** What proves who asks at the token endpoint. */
export interface Proof {
  headers?: Record<string, string>
  fields?: Record<string, string>
}

export interface Identity {
  proof(): Promise<Proof>
  /** The proof was not accepted: the next one is to be a new one. */
  forget(): void
}

/**
 * An application in Entra: it shows the token that Entra gives it, addressed to tessera.
 *
 * In production the secret is better a certificate or a federated credential; the rest stays.
 */
export class EntraApp implements Identity {
  readonly #tokenUrl: string
  readonly #fields: Record<string, string>
  #token = ''
  #goodUntil = 0

  constructor(tokenUrl: string, clientId: string, clientSecret: string, scope: string) {
    this.#tokenUrl = tokenUrl
    this.#fields = {
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      scope,
    }
  }

  forget(): void {
    this.#goodUntil = 0
  }

  async proof(): Promise<Proof> {
    if (now() >= this.#goodUntil) {
      const answer = await patiently(() => send('POST', this.#tokenUrl, FORM, form(this.#fields)))
      if (answer.status !== 200) {
        throw new NotAllowed(`Entra gives this agent no token of its own: ${answer.json().error}`)
      }
      const { text, lifetime } = tokenOf(answer)
      this.#token = text
      this.#goodUntil = now() + lifetime - MARGIN
      log(`got a token of the agent's own, good for ${lifetime} s`)
    }
    return { headers: { Authorization: `Bearer ${this.#token}` } }
  }
}

/** A workload in Kubernetes: the kubelet keeps a token, addressed to tessera, in a file. */
export class ServiceAccount implements Identity {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  forget(): void {
    // Nothing is kept: the kubelet replaces the file, so it is read for each exchange.
  }

  async proof(): Promise<Proof> {
    const token = await readFile(this.#path, 'ascii').catch(() => {
      throw new Unexpected(`${this.#path} cannot be read`)
    })
    return { fields: { client_assertion_type: JWT_BEARER, client_assertion: token.trim() } }
  }
}

/** Kubernetes where there is a token file, else Entra. */
export function identityFromEnvironment(): Identity {
  const path = process.env.AGENT_TOKEN_FILE
  if (path) return new ServiceAccount(path)
  return new EntraApp(
    setting('AGENT_TOKEN_URL'),
    setting('AGENT_CLIENT_ID'),
    setting('AGENT_CLIENT_SECRET'),
    setting('AGENT_SCOPE', 'api://tessera/.default'),
  )
}

export function setting(name: string, otherwise = ''): string {
  const value = process.env[name] || otherwise
  if (!value) throw new NotConfigured(`the environment lacks ${name}`)
  return value
}

// --- The exchange, and calls with what it gives --------------------------------------------------

/** A token for one resource. It does not show itself when it is printed. */
export class Token {
  readonly #text: string
  readonly resource: string
  readonly scopes: string[]
  readonly goodUntil: number

  constructor(text: string, resource: string, scopes: string[], goodUntil: number) {
    this.#text = text
    this.resource = resource
    this.scopes = scopes
    this.goodUntil = goodUntil
  }

  reveal(): string {
    return this.#text
  }
}

/** A call to an API: what is sent, and for what a token is needed. */
export interface Call {
  resource: string
  scopes?: string[]
  headers?: Record<string, string>
  body?: string
}

/** One tessera, for one agent and any number of users. */
export class Tessera {
  readonly issuer: string
  readonly #identity: Identity
  readonly #kept = new Map<string, Token>()
  readonly #refused = new Map<string, number>()
  #tokenEndpoint: string | undefined

  constructor(issuer: string, identity: Identity) {
    this.issuer = issuer
    this.#identity = identity
  }

  /** Calls an API for a user. What a new token can mend is mended, once; then it is given up. */
  async call(method: string, url: string, userToken: string, call: Call): Promise<Answer> {
    let wanted = call.scopes ?? []
    let orLess = true
    let renewed = false
    for (;;) {
      const token = await this.exchange(userToken, call.resource, wanted, orLess)
      const headers = { ...call.headers, Authorization: `Bearer ${token.reveal()}` }
      const answer = await patiently(() => send(method, url, headers, call.body))
      const challenge = answer.challenge()
      if (answer.status === 401) {
        if (renewed) throw new NotAllowed(`${origin(url)} does not accept a new token either`)
        // It was revoked, or ended early. If the user's was revoked too, the exchange will say so.
        log('the token is no longer accepted: exchanging once more')
        renewed = true
        this.forget(token)
      } else if (answer.status === 403) {
        const needed = listed(challenge.scope)
        const isScope = challenge.error === 'insufficient_scope'
        const lacks = needed.some((scope) => !token.scopes.includes(scope))
        // `orLess` is no longer so after the one step up.
        if (!isScope || !lacks || !orLess) {
          throw new NotAllowed(`${origin(url)} does not let this user and this agent do that`)
        }
        log(`the API wants ${words(needed)}: exchanging for that`)
        wanted = [...token.scopes, ...needed]
        orLess = false
      } else {
        return answer
      }
    }
  }

  /**
   * A token for `resource`, acting for the user: a kept one while it is good, else a new one.
   *
   * Without scopes: every scope that can be had. With `orLess`: those of `scopes` that can be had,
   * if not all can; what was granted is in the token's `scopes`.
   */
  async exchange(
    userToken: string, resource: string, scopes: string[] = [], orLess = false,
  ): Promise<Token> {
    const wanted = [...new Set(scopes)].sort()
    // The user's token itself is no key: what is kept might be looked at.
    const user = createHash('sha256').update(userToken).digest('hex')
    const [pair, key] = [JSON.stringify([user, resource]), JSON.stringify([user, resource, wanted])]
    const kept = this.#kept.get(key)
    if (kept && now() < kept.goodUntil) return kept
    if (now() < (this.#refused.get(pair) ?? 0)) throw new SignInAgain(SIGN_IN)
    const answer = await this.#ask(userToken, resource, wanted)
    if (answer.status === 200) return this.#keep(key, resource, answer)
    const { error } = answer.json()
    if (error === 'invalid_scope' && wanted.length > 0 && orLess) {
      log(`${words(wanted)} cannot be had: asking for what can`)
      const everything = await this.exchange(userToken, resource)
      const some = wanted.filter((scope) => everything.scopes.includes(scope))
      if (some.length === everything.scopes.length) {
        this.#kept.set(key, everything)
        return everything
      }
      // What opens more than is needed is not kept.
      this.forget(everything)
      if (some.length > 0) {
        const less = await this.exchange(userToken, resource, some)
        this.#kept.set(key, less)
        return less
      }
    }
    if (error === 'invalid_request') this.#refused.set(pair, now() + GRUDGE)
    throw refusal(error, resource, wanted)
  }

  forget(token: Token): void {
    for (const [key, kept] of this.#kept) if (kept === token) this.#kept.delete(key)
  }

  /** Asks at the token endpoint; once more when the agent's own token is what is refused. */
  async #ask(userToken: string, resource: string, scopes: string[]): Promise<Answer> {
    const asked: Record<string, string> = {
      grant_type: TOKEN_EXCHANGE,
      subject_token: userToken,
      subject_token_type: ACCESS_TOKEN,
      resource,
    }
    if (scopes.length > 0) asked.scope = scopes.join(' ')
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const { headers, fields } = await this.#identity.proof()
      const endpoint = await this.tokenEndpoint()
      const body = form({ ...asked, ...fields })
      const answer = await patiently(() => send('POST', endpoint, { ...FORM, ...headers }, body))
      if (answer.status !== 401) return answer
      this.#identity.forget()
    }
    throw new NotAllowed(`${this.issuer} does not know this agent: it needs an entry in \`clients\``)
  }

  #keep(key: string, resource: string, answer: Answer): Token {
    const { text, lifetime } = tokenOf(answer)
    const granted = listed(answer.json().scope).sort()
    const token = new Token(text, resource, granted, now() + lifetime - MARGIN)
    for (const [old, { goodUntil }] of this.#kept) if (now() >= goodUntil) this.#kept.delete(old)
    for (const [old, until] of this.#refused) if (now() >= until) this.#refused.delete(old)
    this.#kept.set(key, token)
    log(`got a token for ${resource} with ${words(granted)}, good for ${lifetime} s`)
    return token
  }

  /** Where to exchange: looked up once (RFC 8414). */
  async tokenEndpoint(): Promise<string> {
    if (!this.#tokenEndpoint) {
      const path = parsed(this.issuer).pathname.replace(/\/$/, '')
      const place = `${origin(this.issuer)}/.well-known/oauth-authorization-server${path}`
      const answer = await patiently(() => send('GET', place, { Accept: 'application/json' }))
      const metadata = answer.status === 200 ? answer.json() : {}
      const endpoint = metadata.token_endpoint
      if (metadata.issuer !== this.issuer || typeof endpoint !== 'string') {
        throw new Unexpected(`${place} does not describe ${this.issuer} (RFC 8414 §3.3)`)
      }
      this.#tokenEndpoint = endpoint
    }
    return this.#tokenEndpoint
  }
}

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'application/json' }
const SIGN_IN =
  "the user's token is not accepted: it has expired, was revoked, or does not open this. The user " +
  'must sign in again; if that does not help, an operator can see the reason (tessera explain)'

function form(fields: Record<string, string>): string {
  return new URLSearchParams(fields).toString()
}

/** Seconds on a clock that nobody sets. */
function now(): number {
  return performance.now() / 1000
}

/** The token, and for how many seconds it is good. */
function tokenOf(answer: Answer): { text: string; lifetime: number } {
  const { access_token: text, expires_in: lifetime, token_type: type } = answer.json()
  const isBearer = String(type).toLowerCase() === 'bearer'
  if (!isBearer || typeof text !== 'string' || typeof lifetime !== 'number') {
    throw new Unexpected('a token answer without a bearer token that expires')
  }
  return { text, lifetime }
}

/** What a refused exchange means for an agent (RFC 6749 §5.2, RFC 8693 §2.2.2). */
function refusal(error: unknown, resource: string, scopes: string[]): Refused {
  switch (error) {
    case 'invalid_request':
      return new SignInAgain(SIGN_IN)
    case 'invalid_scope': {
      const wanted = scopes.length > 0 ? words(scopes) : 'any scope'
      return new NotAllowed(
        `${wanted} cannot be had at ${resource}: ask for the permission in Entra for the user, ` +
          'and for a rule in tessera that lets this agent use it')
    }
    case 'invalid_target':
      return new NotAllowed(
        `this agent gets no tokens for ${resource}: check the name, and ask for a rule under its ` +
          "`exchange` in tessera, and to be one of the resource's `callers`")
    case 'unauthorized_client':
      return new NotAllowed('this agent may not exchange tokens: ask for `exchange` rules')
    default:
      return new Unexpected('the token endpoint answered with an error that is not known')
  }
}

export function listed(scope: unknown): string[] {
  return typeof scope === 'string' ? scope.split(' ').filter((each) => each !== '') : []
}

export function words(scopes: string[]): string {
  return scopes.join(' ') || 'no scope'
}
