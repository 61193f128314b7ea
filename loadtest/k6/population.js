// Whose tokens are sent, and how often each.

import { SharedArray } from 'k6/data'
import exec from 'k6/execution'
import { randomSeed } from 'k6'
import { number, text } from './settings.js'

/**
 * The tokens of the file TOKENS: one a line; after a space `inactive`, if that is the right answer
 * about it. In memory once, for all connections.
 */
const tokens = new SharedArray('tokens', () => {
  const lines = open(text('TOKENS', './tokens.txt')).split('\n')
  return lines.filter((line) => line.trim() !== '').map((line) => {
    const [token, expected = 'active'] = line.trim().split(/\s+/)
    if (!['active', 'inactive'].includes(expected)) {
      throw new Error(`a token is active or inactive, not ${expected}`)
    }
    return { token, active: expected === 'active' }
  })
})

const exponent = number('ZIPF', 1)
const seed = number('SEED', 1)
let seeded = false

/**
 * The next token: a few are sent often and most of them seldom, as people call. Of N tokens the one
 * at place k comes about as often as 1/k^ZIPF; with ZIPF=0 all come alike.
 */
export function next() {
  if (!seeded) {
    // The same choices in every run, and others on every connection.
    randomSeed(seed + exec.vu.idInTest)
    seeded = true
  }
  return tokens[place(Math.random(), tokens.length)]
}

/** Where `chance`, from 0 up to 1, falls among `count` places: the inverse of the distribution. */
export function place(chance, count) {
  const rest = 1 - exponent
  const end = count + 1
  const at = rest === 0 ? end ** chance : (1 + chance * (end ** rest - 1)) ** (1 / rest)
  return Math.min(Math.floor(at), count) - 1
}
