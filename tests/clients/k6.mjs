// Runs a scenario of loadtest/k6 without k6, a few iterations after one another: the same files, with
// the little of k6's interface that they use. Prints the checks and how often each held.
//
//   node k6.mjs SCENARIO ITERATIONS      the environment is the scenario's

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { register } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [scenario, iterations] = process.argv.slice(2)
const folder = new URL('../../loadtest/k6/', import.meta.url)

/** k6 waits for an answer; so does curl. */
function post(url, body, { headers, tags }) {
  if (tags.name !== new URL(url).pathname) {
    throw new Error(`requests are not told apart by ${tags.name}`)
  }
  const lines = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const told = ['-s', '-w', '\n%{http_code}', ...lines, '--data-binary', body, url]
  const [, text, status] = /^([^]*)\n(\d+)$/.exec(execFileSync('curl', told, { encoding: 'utf8' }))
  return { status: Number(status), json: (member) => JSON.parse(text)[member] }
}

const held = {}
globalThis.k6 = {
  check(value, checks) {
    for (const [name, holds] of Object.entries(checks)) {
      held[name] ??= 0
      held[name] += holds(value) ? 1 : 0
    }
  },
  b64encode: (text) => Buffer.from(text).toString('base64'),
  post,
  statuses: [],
}
globalThis.__ENV = process.env
globalThis.open = (path) => readFileSync(resolve(folder.pathname, path), 'utf8')

const modules = {
  k6: 'export const check = k6.check, randomSeed = () => {}',
  'k6/data': 'export class SharedArray extends Array { constructor(_, make) { super(...make()) } }',
  'k6/encoding': 'export default { b64encode: k6.b64encode }',
  'k6/execution': 'export default { vu: { idInTest: 1 } }',
  'k6/http': `export default {
    post: k6.post,
    expectedStatuses: (...statuses) => statuses,
    setResponseCallback: (statuses) => { k6.statuses = statuses },
  }`,
}
const hook = `const modules = ${JSON.stringify(modules)}
export const resolve = (name, context, next) => name in modules
  ? { url: 'data:text/javascript,' + encodeURIComponent('const k6 = globalThis.k6\\n' + modules[name]), shortCircuit: true }
  : next(name, context)`
register(`data:text/javascript,${encodeURIComponent(hook)}`, pathToFileURL('./'))

const { default: iteration, options } = await import(new URL(`${scenario}.js`, folder))
for (let left = Number(iterations); left > 0; left -= 1) {
  iteration()
}
console.log(JSON.stringify({ options, held }))
