// How tessera is asked.

import encoding from 'k6/encoding'
import http from 'k6/http'
import { text } from './settings.js'

const server = text('TESSERA', 'http://127.0.0.1:8080')
// RFC 6749 section 2.3.1: both are encoded before they are joined.
const caller = ['CLIENT_ID', 'CLIENT_SECRET'].map((name) => encodeURIComponent(text(name)))
const headers = {
  Accept: 'application/json',
  Authorization: `Basic ${encoding.b64encode(caller.join(':'))}`,
  'Content-Type': 'application/x-www-form-urlencoded',
}

/** Posts a form. */
export function post(path, form) {
  const pairs = Object.entries(form).map((pair) => pair.map(encodeURIComponent).join('='))
  // One name for all of them, whatever is asked.
  return http.post(server + path, pairs.join('&'), { headers, tags: { name: path } })
}
