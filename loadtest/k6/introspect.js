// Introspection (RFC 7662) of a population of tokens, at a rate that does not depend on the answers.

import { check } from 'k6'
import { next } from './population.js'
import { post } from './request.js'
import { openModel } from './settings.js'

export const options = openModel('introspect', 20)

export default function () {
  const { token, active } = next()
  const answer = post('/introspect', { token })
  check(answer, {
    'is answered': (answer) => answer.status === 200,
    'is right': (answer) => answer.status === 200 && answer.json('active') === active,
  })
}
