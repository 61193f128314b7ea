// The client of one MCP server, for one user. It holds no token: tessera.ts does that.
//
//   const server = await McpServer.connect(tessera, 'https://mcp.example.com/mcp', userToken)
//   console.log(await server.call('get_order', { id: '42' }))
//
// The server names its authorization server and itself in a document that its 401 points to
// (RFC 9728). The agent believes it no further than it must: see `discovered`.

import {
  type Answer, type Json, Refused, type Tessera, Unexpected, jsonObject, listed, log, origin,
  patiently, send,
} from './tessera.js'

const VERSIONS = ['2025-11-25', '2025-06-18'] // of the protocol; the first is offered

export interface Tool {
  name: string
  description?: string
}

/** The server, or its tool, says no: because of the arguments, for example. */
export class ToolFailed extends Refused {}

export class McpServer {
  readonly #tessera: Tessera
  readonly #url: string
  readonly #userToken: string
  readonly #headers: Record<string, string> = {
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
  }
  #scopes: string[] = []
  #lastId = 0

  private constructor(tessera: Tessera, url: string, userToken: string) {
    this.#tessera = tessera
    this.#url = url
    this.#userToken = userToken
  }

  static async connect(tessera: Tessera, url: string, userToken: string): Promise<McpServer> {
    const server = new McpServer(tessera, url, userToken)
    server.#scopes = await server.#discovered()
    await server.#initialize()
    return server
  }

  async tools(): Promise<Tool[]> {
    return ((await this.#request('tools/list')).tools ?? []) as Tool[]
  }

  /** Calls a tool, and gives its text. */
  async call(tool: string, args: Json): Promise<string> {
    const result = await this.#request('tools/call', { name: tool, arguments: args })
    const parts = (result.content ?? []) as { type: string; text?: string }[]
    const text = parts.filter(({ type }) => type === 'text').map((part) => part.text).join('\n')
    if (result.isError === true) throw new ToolFailed(`the tool ${tool} says: ${text}`)
    return text
  }

  /** Whether the server is who its URL says, and trusts our tessera; the scopes it asks for. */
  async #discovered(): Promise<string[]> {
    const hello = this.#hello()
    const answer = await patiently(() => send('POST', this.#url, this.#headers, hello))
    if (answer.status !== 401) {
      throw new Unexpected(`${this.#url} answers ${answer.status} to somebody without a token`)
    }
    const challenge = answer.challenge()
    // Without a pointer, the document is where RFC 9728 §3.1 puts it.
    const path = new URL(this.#url).pathname.replace(/^\/$/, '')
    const usual = `${origin(this.#url)}/.well-known/oauth-protected-resource${path}`
    const place = challenge.resource_metadata ?? usual
    if (![origin(this.#url), origin(this.#tessera.issuer)].includes(origin(place))) {
      throw new Unexpected(`${this.#url} has others describe it: ${place}`)
    }
    const found = await patiently(() => send('GET', place, { Accept: 'application/json' }))
    const metadata = found.status === 200 ? found.json() : {}
    // RFC 9728 §3.3. Otherwise a server could have us fetch a token for another one, and use it.
    if (metadata.resource !== this.#url) {
      throw new Unexpected(`${place} does not describe ${this.#url}: no token is sent there`)
    }
    // A server must not choose whom the agent shows its own token, and the user's.
    const servers = metadata.authorization_servers
    if (!Array.isArray(servers) || !servers.includes(this.#tessera.issuer)) {
      throw new Unexpected(`${this.#url} does not take tokens of ${this.#tessera.issuer}`)
    }
    log(`${this.#url} takes tokens of ${this.#tessera.issuer}`)
    return listed(challenge.scope)
  }

  async #initialize(): Promise<void> {
    const answer = await this.#post(this.#hello())
    const version = resultOf(answer, this.#lastId).protocolVersion
    if (typeof version !== 'string' || !VERSIONS.includes(version)) {
      throw new Unexpected(`${this.#url} speaks another version of MCP: ${version}`)
    }
    this.#headers['MCP-Protocol-Version'] = version
    const session = answer.headers.get('mcp-session-id')
    if (session) this.#headers['Mcp-Session-Id'] = session
    await this.#post(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }))
  }

  /** The message that opens a conversation. */
  #hello(): string {
    return this.#message('initialize', {
      protocolVersion: VERSIONS[0],
      capabilities: {},
      clientInfo: { name: 'example-agent', version: '1.0.0' },
    })
  }

  async #request(method: string, params?: Json): Promise<Json> {
    const answer = await this.#post(this.#message(method, params))
    return resultOf(answer, this.#lastId)
  }

  #message(method: string, params?: Json): string {
    this.#lastId += 1
    return JSON.stringify({ jsonrpc: '2.0', id: this.#lastId, method, params })
  }

  /** Sends a message with a token for this server; what a new token can mend is mended. */
  async #post(body: string): Promise<Answer> {
    const answer = await this.#tessera.call('POST', this.#url, this.#userToken, {
      resource: this.#url, scopes: this.#scopes, headers: this.#headers, body,
    })
    if (answer.status !== 200 && answer.status !== 202) {
      throw new Unexpected(`${this.#url} answers ${answer.status}`)
    }
    return answer
  }
}

/** The result of a request: the answer is one message, or a stream of events with it inside. */
function resultOf(answer: Answer, id: number): Json {
  const isStream = (answer.headers.get('content-type') ?? '').startsWith('text/event-stream')
  // The server may also tell of its progress in a stream; that is not for us.
  const messages = isStream ? events(answer.body).map(jsonObject) : [answer.json()]
  const message = messages.find((each) => each.id === id) ?? {}
  if (message.error) {
    throw new ToolFailed(`the MCP server says: ${(message.error as Json).message}`)
  }
  if (typeof message.result !== 'object' || message.result === null) {
    throw new Unexpected('the MCP server did not answer the question')
  }
  return message.result as Json
}

/** The data of each server-sent event that has any. */
function events(text: string): string[] {
  const dataOf = (event: string) =>
    event.split('\n').filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).replace(/^ /, '')).join('\n')
  return text.replaceAll('\r\n', '\n').split('\n\n').map(dataOf).filter((data) => data !== '')
}
