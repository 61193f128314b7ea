// An agent that works for a user: it calls an API behind a gateway, or a tool of an MCP server.
//
//   node dist/agent.js call URL... --resource NAME [--scope SCOPE]...     < the user's token
//   node dist/agent.js mcp URL TOOL [ARGUMENTS AS JSON]                    < the user's token
//
// The user's token comes on standard input, since arguments can be seen by every process of the
// machine. Where tessera is, and who the agent is, is in the environment; see ../README.md.

import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

import { McpServer } from './mcp-client.js'
import {
  NotAllowed, NotConfigured, Refused, SignInAgain, Tessera, TryLater, identityFromEnvironment,
  jsonObject, log, setting,
} from './tessera.js'

const USAGE = 'usage: agent.js call URL... --resource NAME [--scope SCOPE]...\n' +
  '       agent.js mcp URL TOOL [ARGUMENTS AS JSON]'

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      resource: { type: 'string' },
      scope: { type: 'string', multiple: true, default: [] },
    },
  })
  const [task, ...rest] = positionals
  const userToken = await firstLine()
  if (!userToken) {
    console.error("the user's token is missing on standard input")
    return 2
  }
  const tessera = new Tessera(setting('TESSERA_ISSUER'), identityFromEnvironment())
  if (task === 'call' && rest.length > 0 && values.resource) {
    return call(tessera, userToken, rest, values.resource, values.scope)
  }
  const [url, tool, args = '{}'] = rest
  if (task === 'mcp' && url && tool) return callTool(tessera, userToken, url, tool, args)
  console.error(USAGE)
  return 2
}

async function call(
  tessera: Tessera, userToken: string, urls: string[], resource: string, scopes: string[],
): Promise<number> {
  for (const url of urls) {
    const answer = await tessera.call('GET', url, userToken, { resource, scopes })
    console.log(answer.body)
    if (answer.status >= 300) {
      log(`the API answers ${answer.status}`)
      return 1
    }
  }
  return 0
}

async function callTool(
  tessera: Tessera, userToken: string, url: string, tool: string, args: string,
): Promise<number> {
  const server = await McpServer.connect(tessera, url, userToken)
  const tools = await server.tools()
  log(`its tools: ${tools.map(({ name }) => name).join(', ')}`)
  console.log(await server.call(tool, jsonObject(args)))
  return 0
}

async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line.trim()
  return ''
}

/** What a program that runs the agent can tell apart. */
function exitCode(error: unknown): number {
  if (error instanceof NotConfigured) return 2
  if (error instanceof SignInAgain) return 3
  if (error instanceof NotAllowed) return 4
  if (error instanceof TryLater) return 5
  return 1
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof Refused)) throw error
  console.error(`${error.name}: ${error.message}`)
  process.exitCode = exitCode(error)
}
