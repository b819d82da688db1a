import { inspect } from 'node:util'
import {
  executionRequestSchema,
  loopRequestSchema,
  type ExecutionResult,
  type LoopInput,
  type LoopView,
} from '@loopgate/contracts'
import { freePort } from '@loopgate/testkit/redis'
import t from 'tap'
import { ApiError, createClient } from '../src/index.ts'
import { json, problem, scratch, type Answer } from './scratch-server.ts'

const input: LoopInput = {
  goal: 'Add.',
  language: 'python',
  checks: [{ id: 'tests', entryPoint: 'add', source: 'def check(candidate): pass' }],
  sampling: { model: 'm' },
  budget: { iterations: 3 },
}
const view: LoopView = {
  id: 'loop_1',
  state: 'queued',
  reason: null,
  counts: {
    iterations: 0,
    waves: 0,
    duplicates: 0,
    executions: 0,
    tokens: 0,
    generations: { hit: 0, miss: 0, coalesced: 0, bypass: 0 },
  },
  accepted: null,
  request: loopRequestSchema.parse(input),
  createdAt: '2026-11-25T00:00:00.000Z',
  updatedAt: '2026-11-25T00:00:00.000Z',
  lastSeq: 1,
}
const execution: ExecutionResult = {
  id: 'exec_1',
  outcome: 'ok',
  exitCode: 0,
  signal: null,
  stdout: 'hi\n',
  stderr: '',
  truncated: { stdout: false, stderr: false },
  wallMs: 1,
  cpuMs: 1,
  queueMs: 0,
  startupMs: 1,
  peakMemoryBytes: 1,
  isolation: { requested: 'process', achieved: 'process', enforced: [] },
  runtime: { language: 'python', version: '3.11' },
  runnerId: 'runner_1',
  checks: [],
}
const completion = {
  choices: [{ message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
  time_info: { total_time: 0.1 },
}
const cut: Answer = ({ response }) => response.socket?.destroy()

t.test('a chat call carries key, sample and loop, and says where its answer came from', async (t) => {
  const headers = { 'x-loopgate-cache': 'coalesced', 'x-loopgate-key': 'abc', 'x-request-id': 'req_1' }
  const { client, seen } = await scratch(t, {}, json(completion, 200, headers))
  const body = { model: 'm', messages: [{ role: 'user', content: 'hi' }], seed: 3 }
  t.strictSame(await client.completions.chat(body, { sampleIndex: 3, loopId: 'loop_1' }), {
    body: completion,
    cache: 'coalesced',
    key: 'abc',
    requestId: 'req_1',
  })
  t.match(seen, [
    {
      method: 'POST',
      url: '/v1/chat/completions',
      body,
      headers: {
        authorization: 'Bearer sk-canary',
        'content-type': 'application/json',
        'x-loopgate-sample': '3',
        'x-loopgate-loop': 'loop_1',
      },
    },
  ])
})

t.test('a reply without a choice, or that is no JSON, is a bad reply', async (t) => {
  for (const answer of [json({ choices: [] }), json({}), json({ choices: [{ message: { content: 3 } }] })]) {
    const { client } = await scratch(t, {}, answer)
    await t.rejects(client.completions.chat({}), { name: 'ApiError', code: 'bad_reply', status: 200 })
  }
  const { client } = await scratch(t, {}, ({ response }) => response.end('<html>'))
  await t.rejects(client.loops.get('loop_1'), { code: 'bad_reply' })
})

t.test('executions, loops and runners go to their routes and come back checked', async (t) => {
  const { client, seen } = await scratch(
    t,
    {},
    json(execution),
    json(view, 201),
    json(view),
    json({ loops: [view], next: 'x' }),
    json({ ...view, state: 'stopping' }),
    json(view),
    json({ runners: [] }),
  )
  const files = [{ path: 'main.py', content: 'print("hi")' }]
  t.strictSame(await client.executions.run({ language: 'python', files }, { loopId: 'loop_1' }), execution)
  t.strictSame(await client.loops.create(input, { idempotencyKey: 'mine' }), view)
  t.strictSame(await client.loops.get('loop_1'), view)
  t.strictSame(await client.loops.list({ limit: 5, state: 'running', after: 'a b' }), { loops: [view], next: 'x' })
  t.equal((await client.loops.cancel('loop_1')).state, 'stopping')
  t.strictSame(await client.loops.resume('loop_1'), view)
  t.strictSame(await client.runners.list(), [])
  t.strictSame(
    seen.map(({ method, url }) => `${method} ${url}`),
    [
      'POST /api/executions',
      'POST /api/loops',
      'GET /api/loops/loop_1',
      'GET /api/loops?after=a+b&limit=5&state=running',
      'POST /api/loops/loop_1/cancel',
      'POST /api/loops/loop_1/resume',
      'GET /api/runners',
    ],
  )
  t.ok(executionRequestSchema.safeParse(seen[0]?.body).success)
  t.match(seen[1]?.headers, { 'idempotency-key': 'mine' })
})

t.test('an id with slashes stays one path segment', async (t) => {
  const { client, seen } = await scratch(t, {}, json(view))
  await client.loops.get('../v1/models')
  t.equal(seen[0]?.url, '/api/loops/..%2Fv1%2Fmodels')
})

t.test('a gateway under a path is reached under it', async (t) => {
  const { baseUrl, seen } = await scratch(t, {}, json(view))
  const client = createClient({ baseUrl: `${baseUrl}/loopgate/`, apiKey: 'k' })
  t.teardown(() => client.close())
  await client.loops.get('loop_1')
  t.equal(seen[0]?.url, '/loopgate/api/loops/loop_1')
})

t.test('a refusal is an error with status, code, request id and wait, on both surfaces', async (t) => {
  const own = await scratch(t, { retries: 0 }, problem(503, {}, { 'retry-after': '2', 'x-request-id': 'req_7' }))
  await t.rejects(own.client.loops.get('loop_1'), {
    name: 'ApiError',
    status: 503,
    code: 'LG_TEST',
    message: '503 LG_TEST: Not now',
    retryable: true,
    retryAfterMs: 2_000,
    requestId: 'req_7',
  })
  const openai = { error: { message: 'Wrong', type: 'invalid_request_error', param: null, code: 'wrong_api_key' } }
  const other = await scratch(t, {}, json(openai, 401))
  await t.rejects(other.client.completions.chat({}), {
    status: 401,
    code: 'wrong_api_key',
    message: '401 wrong_api_key: Wrong',
    retryable: false,
    retryAfterMs: null,
  })
  const proxy = await scratch(t, { retries: 0 }, ({ response }) => response.writeHead(502).end('<h1>Bad Gateway</h1>'))
  await t.rejects(proxy.client.runners.list(), { status: 502, code: 'http_error', retryable: true })
})

t.test('what may pass is tried again, as often as asked for and no more', async (t) => {
  const { client, seen } = await scratch(t, { retries: 2 }, problem(503), problem(429), json(view))
  t.strictSame(await client.loops.get('loop_1'), view)
  t.equal(seen.length, 3)
  const stubborn = await scratch(t, { retries: 2 }, problem(503))
  await t.rejects(stubborn.client.loops.get('loop_1'), { name: 'ApiError', status: 503 })
  t.equal(stubborn.seen.length, 3)
})

t.test('what the gateway calls final is not tried again, whatever the status', async (t) => {
  for (const answer of [problem(503, { retryable: false }), problem(400, { retryable: false }), json({}, 404)]) {
    const { client, seen } = await scratch(t, { retries: 5 }, answer)
    await t.rejects(client.loops.get('loop_1'), { name: 'ApiError', retryable: false })
    t.equal(seen.length, 1)
  }
  const told = await scratch(t, { retries: 5 }, json({}, 503, { 'x-should-retry': 'false' }))
  await t.rejects(told.client.loops.get('loop_1'), { name: 'ApiError', status: 503, retryable: false })
})

t.test('a wait longer than allowed is not cut short: the call fails at once', async (t) => {
  const { client, seen } = await scratch(t, { maxRetryDelayMs: 1_000 }, problem(429, {}, { 'retry-after': '5' }))
  await t.rejects(client.loops.get('loop_1'), { name: 'ApiError', retryAfterMs: 5_000 })
  t.equal(seen.length, 1)
  const date = new Date(Date.now() + 3_600_000).toUTCString()
  const dated = await scratch(t, {}, problem(429, {}, { 'retry-after': date }))
  const error = await dated.client.loops.get('loop_1').catch((reason: unknown) => reason)
  t.ok(error instanceof ApiError && (error.retryAfterMs ?? 0) > 3_000_000, 'a date is understood too')
})

t.test('all tries to create a loop carry one key, so there is one loop', async (t) => {
  const { client, seen } = await scratch(t, {}, cut, problem(503), json(view, 201))
  await client.loops.create(input)
  const keys = seen.map(({ headers }) => headers['idempotency-key'])
  t.equal(keys.length, 3)
  t.equal(new Set(keys).size, 1)
  t.match(keys[0], /^[0-9a-f-]{36}$/)
})

t.test('a lost connection is tried again where repeating is harmless, and only there', async (t) => {
  const body = { model: 'm', messages: [] }
  const sampled = await scratch(t, {}, cut, json(completion))
  t.match(await sampled.client.completions.chat(body, { sampleIndex: 0 }), { body: completion })
  const unsampled = await scratch(t, {}, cut, json(completion))
  await t.rejects(unsampled.client.completions.chat(body), { status: 0, code: 'unreachable', retryable: false })
  t.equal(unsampled.seen.length, 1, 'it may have been paid for')
})

t.test('a gateway that is not there is unreachable, and the key is in no error', async (t) => {
  const client = createClient({ baseUrl: `http://127.0.0.1:${await freePort()}`, apiKey: 'sk-canary', retries: 0 })
  t.teardown(() => client.close())
  const error = await client.loops.get('loop_1').catch((reason: unknown) => reason)
  t.match(error, { name: 'ApiError', status: 0, code: 'unreachable', retryable: true })
  t.notMatch(inspect(error, { depth: 10, showHidden: true }), /canary/)
})

t.test('an aborted call throws the reason of its signal and is closed at the gateway', async (t) => {
  const closed = Promise.withResolvers<void>()
  const arrived = Promise.withResolvers<void>()
  const { client } = await scratch(t, {}, ({ response }) => {
    response.on('close', () => closed.resolve())
    arrived.resolve()
  })
  const controller = new AbortController()
  const call = client.executions.run(
    { language: 'python', files: [{ path: 'a', content: '' }] },
    { signal: controller.signal },
  )
  await arrived.promise
  controller.abort(new Error('no longer wanted'))
  await t.rejects(call, { message: 'no longer wanted' })
  await closed.promise
  const never = client.loops.get('loop_1', { signal: controller.signal })
  await t.rejects(never, { message: 'no longer wanted' }, 'nor is it begun after that')
})

t.test('an abort ends the wait between two tries', async (t) => {
  const { client } = await scratch(t, {}, problem(503, {}, { 'retry-after': '20' }))
  const controller = new AbortController()
  const call = client.loops.get('loop_1', { signal: controller.signal })
  setImmediate(() => controller.abort(new Error('enough')))
  await t.rejects(call, { message: 'enough' })
})
