// What the environment says about a run, and what k6 makes of it.

/** A number of the environment. */
export function number(name, otherwise) {
  const text = __ENV[name] ?? ''
  const value = text === '' ? otherwise : Number(text)
  if (!Number.isFinite(value)) {
    throw new Error(`${name} is not a number: ${text}`)
  }
  return value
}

/** A text of the environment, which has to be there unless there is another. */
export function text(name, otherwise) {
  const value = __ENV[name] || otherwise
  if (value === undefined) {
    throw new Error(`set ${name}`)
  }
  return value
}

/**
 * An open model: requests start when they are due, whether or not those before them were answered,
 * as callers of a gateway do. A server that stalls is then asked no less, and what waits is seen.
 *
 * PROFILE=steady sends RATE requests a second for DURATION; PROFILE=climb goes from a tenth of RATE
 * to all of it in ten steps of DURATION each, to find where latency turns up.
 */
export function openModel(scenario, p99Millis) {
  const [rate, duration] = [number('RATE', 100), text('DURATION', '1m')]
  const common = {
    timeUnit: '1s',
    // Each is one connection that stays open. Made before the run: to make one costs the answer.
    preAllocatedVUs: number('CONNECTIONS', 32),
    maxVUs: number('MOST_CONNECTIONS', 4 * number('CONNECTIONS', 32)),
  }
  const steady = { executor: 'constant-arrival-rate', rate, duration, ...common }
  const steps = Array.from({ length: 10 }, (_, step) => [
    // At once up to the step, then on it.
    { target: Math.ceil((rate * (step + 1)) / 10), duration: '1s' },
    { target: Math.ceil((rate * (step + 1)) / 10), duration },
  ])
  const climb = {
    executor: 'ramping-arrival-rate',
    startRate: Math.ceil(rate / 10),
    stages: steps.flat(),
    ...common,
  }
  const profiles = { steady, climb }
  const profile = text('PROFILE', 'steady')
  if (!(profile in profiles)) {
    throw new Error(`PROFILE is steady or climb, not ${profile}`)
  }
  return {
    scenarios: { [scenario]: profiles[profile] },
    summaryTrendStats: ['min', 'med', 'p(90)', 'p(99)', 'p(99.9)', 'max'],
    thresholds: {
      // Every answer is checked, and one wrong answer fails the run.
      checks: ['rate==1'],
      http_req_failed: ['rate==0'],
      // What was due and not sent, because all connections were busy: the generator was too slow,
      // or the server was. Without this, such a run would look good.
      dropped_iterations: ['count==0'],
      [`http_req_duration{scenario:${scenario}}`]: [`p(99)<${number('P99', p99Millis)}`],
    },
  }
}
