import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ExecutionRequest, ExecutionResult } from '@loopgate/contracts'
import { executionResult } from '@loopgate/testkit/execution-result'
import type { TestScope } from '@loopgate/testkit/redis'

export type Call = {
  readonly kind: 'generate' | 'execute' | 'judge'
  /** Sample index, or the code to run. */
  readonly sampleIndex: number
  readonly code: string
  readonly headers: IncomingMessage['headers']
  /** Number of the call, from 1. */
  readonly serial: number
}

/** What to do instead of answering: an HTTP status, or `hold` for a call that is never answered. */
type Interference = (call: Call) => number | 'hold' | null

export type FakeGateway = {
  readonly url: string
  readonly apiKey: string
  /** Emits `call` for each call before it is answered, and `closed` for each that was cut by the caller. */
  readonly events: EventEmitter
  /** Generations and executions. */
  readonly calls: Call[]
  /** Verdicts by the sample index of the generation that they are about. */
  readonly verdicts: Map<number, unknown>
  /** Upstream calls by generation: more than one means that it was paid for again. */
  readonly paid: Map<string, number>
  /** Cuts every call that is not answered, as a caller's death does; what was being generated is lost. Says how many generations. */
  readonly loseInFlight: () => number
  interfere: Interference
}

export type Script = {
  /** The answer to a prompt (its user text) and sample index. */
  readonly answer: (prompt: string, sampleIndex: number) => string
  readonly passes: (code: string) => boolean
}

const PROMPT_TOKENS = 50
const COMPLETION_TOKENS = 20

/**
 * A gateway that answers from a script, caches generations as the real one does, and lets the test
 * see and disturb every call.
 */
export async function fakeGateway(t: TestScope, script: Script): Promise<FakeGateway> {
  const apiKey = 'sk-worker'
  const events = new EventEmitter().setMaxListeners(0)
  const calls: Call[] = []
  const verdicts = new Map<number, unknown>()
  const paid = new Map<string, number>()
  const cached = new Set<string>()
  let epoch = 0
  let inFlight = 0

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error as Error))
  })

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
    const kind = kindOf(request.url ?? '')
    const call: Call = {
      kind,
      sampleIndex: kind === 'generate' ? Number(request.headers['x-loopgate-sample']) : -1,
      code: kind === 'execute' ? ((body as unknown as ExecutionRequest).files[0]?.content ?? '') : '',
      headers: request.headers,
      serial: calls.length + 1,
    }
    const interference = fake.interfere(call)
    const arrivedIn = epoch
    if (kind === 'judge') {
      if (interference === 'hold') return
      if (interference !== null) return refuse(response, interference)
      verdicts.set(Number(/key-(\d+)/.exec(request.url ?? '')?.[1]), body)
      return json(response, { ...body, judgedAt: '2026-11-25T00:00:00.000Z' })
    }
    calls.push(call)
    if (kind === 'generate') inFlight += 1
    response.on('close', () => {
      if (kind === 'generate') inFlight -= 1
      if (!response.writableFinished) events.emit('closed', call)
    })
    const key = kind === 'generate' ? `${JSON.stringify(body)}#${call.sampleIndex}` : ''
    const hit = cached.has(key)
    if (kind === 'generate' && !hit && interference !== 'hold') paid.set(key, (paid.get(key) ?? 0) + 1)
    events.emit('call', call)
    if (interference === 'hold') return
    // Some turns later, so that calls of one wave are in flight together.
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate)
    if (epoch !== arrivedIn) {
      response.destroy()
      return
    }
    if (request.headers.authorization !== `Bearer ${apiKey}`) return refuse(response, 401)
    if (interference !== null) return refuse(response, interference)
    if (kind === 'execute') return json(response, executed(call.code, body as unknown as ExecutionRequest, script))
    cached.add(key)
    const messages = body['messages'] as Array<{ content: string }>
    response.setHeader('x-loopgate-cache', hit ? 'hit' : 'miss')
    response.setHeader('x-loopgate-key', `key-${call.sampleIndex}`)
    json(response, completion(script.answer(messages[1]?.content ?? '', call.sampleIndex)))
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const loseInFlight = (): number => {
    epoch += 1
    return inFlight
  }
  const fake: FakeGateway = { url, apiKey, events, calls, verdicts, paid, loseInFlight, interfere: () => null }
  return fake
}

function kindOf(url: string): Call['kind'] {
  if (url === '/v1/chat/completions') return 'generate'
  return url.endsWith('/verdict') ? 'judge' : 'execute'
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

function refuse(response: ServerResponse, status: number): void {
  const retryable = status === 429 || status >= 500
  const body = {
    type: 'about:blank',
    title: 'refused',
    status,
    detail: 'by the test',
    code: `LG_TEST_${status}`,
    retryable,
  }
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body))
}

const completion = (content: string) => ({
  id: 'chatcmpl-1',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  usage: {
    prompt_tokens: PROMPT_TOKENS,
    completion_tokens: COMPLETION_TOKENS,
    total_tokens: PROMPT_TOKENS + COMPLETION_TOKENS,
  },
})

function executed(code: string, request: ExecutionRequest, { passes }: Script): ExecutionResult {
  const verdict = passes(code) ? 'pass' : 'fail'
  const candidateSha256 = createHash('sha256').update(code).digest('hex')
  return executionResult({
    checks: request.checks.map(({ id }) => ({
      checkId: id,
      verdict,
      evidence: verdict === 'pass' ? '' : 'assertion failed',
      calls: 1,
      answered: 1,
      candidateSha256,
      durationMs: 1,
    })),
  })
}
