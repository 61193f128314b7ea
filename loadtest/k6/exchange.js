// Token exchange (RFC 8693) of a population of tokens, at a rate that does not depend on the
// answers. Tokens that are not active must be refused.

import http from 'k6/http'
import { check } from 'k6'
import { next } from './population.js'
import { post } from './request.js'
import { openModel, text } from './settings.js'

// A refusal is a right answer too, where one is due.
http.setResponseCallback(http.expectedStatuses(200, 400))

export const options = openModel('exchange', 40)

const wanted = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  resource: text('RESOURCE'),
  ...(__ENV.SCOPE ? { scope: __ENV.SCOPE } : {}),
}

export default function () {
  const { token, active } = next()
  const answer = post('/token', { ...wanted, subject_token: token })
  check(answer, {
    'is answered': (answer) => [200, 400].includes(answer.status),
    'is right': (answer) =>
      active
        ? answer.status === 200 && typeof answer.json('access_token') === 'string'
        : answer.status === 400 && answer.json('error') === 'invalid_request',
  })
}
