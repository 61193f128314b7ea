// Collects tokens for a run: asks an authority for so many by client credentials, and writes one a
// line.
//
//   CLIENT_SECRET=… node collect.mjs TOKEN_ENDPOINT CLIENT_ID SCOPE COUNT > tokens.txt
//
// Entra answers each request with a token of its own. Its limits for one application hold here too:
// ten at a time, and what it refuses ends the run.

const [endpoint, client, scope, count] = process.argv.slice(2)
const secret = process.env.CLIENT_SECRET
if (count === undefined || secret === undefined) {
  console.error('CLIENT_SECRET=… node collect.mjs TOKEN_ENDPOINT CLIENT_ID SCOPE COUNT > tokens.txt')
  process.exit(2)
}

const form = new URLSearchParams({
  grant_type: 'client_credentials',
  client_id: client,
  client_secret: secret,
  scope,
})

async function token() {
  const answer = await fetch(endpoint, { method: 'POST', body: form })
  if (!answer.ok) {
    throw new Error(`${answer.status}: ${await answer.text()}`)
  }
  return (await answer.json()).access_token
}

for (let left = Number(count); left > 0; left -= 10) {
  const some = Array.from({ length: Math.min(left, 10) }, token)
  console.log((await Promise.all(some)).join('\n'))
}
