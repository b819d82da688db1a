import { EventEmitter, once } from 'node:events'
import { manualClock, type ManualClock } from '@loopgate/testkit/clock'
import type { TestScope } from '@loopgate/testkit/redis'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { createSimulator, DEFAULT_CONFIG, type SimulatorConfig } from '../src/app.ts'

export const KEY = 'csk-acme-1'

export type Post = (body: unknown, headers?: Record<string, string>) => Promise<LightMyRequestResponse>

export type Kit = {
  readonly app: FastifyInstance
  readonly clock: ManualClock
  /** Resolves when the simulator next sets a timer, which is when it waits for the clock to be moved. */
  readonly timerSet: () => Promise<unknown>
  /** POST /v1/chat/completions; an object is sent as JSON, a string or bytes as they are. */
  readonly chat: Post
  readonly text: Post
  readonly get: (path: string, headers?: Record<string, string>) => Promise<LightMyRequestResponse>
}

/** A simulator without a port and with a clock that the test moves. */
export function kit(t: TestScope, config: Partial<SimulatorConfig> = {}): Kit {
  const timers = new EventEmitter()
  const manual = manualClock(Date.UTC(2026, 10, 25, 20, 59, 55, 50))
  const clock: ManualClock = {
    ...manual,
    after: (ms, action) => {
      const cancel = manual.after(ms, action)
      timers.emit('set')
      return cancel
    },
  }
  const app = createSimulator({ ...DEFAULT_CONFIG, ...config }, { clock })
  t.teardown(() => app.close())
  const post =
    (url: string): Post =>
    (body, headers = {}) =>
      app.inject({
        method: 'POST',
        url,
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
        payload: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
      })
  return {
    app,
    clock,
    timerSet: () => once(timers, 'set'),
    chat: post('/v1/chat/completions'),
    text: post('/v1/completions'),
    get: (url, headers = { authorization: `Bearer ${KEY}` }) => app.inject({ method: 'GET', url, headers }),
  }
}

/** A chat request that is right; `extra` adds to it. */
export const ask = (content: string, extra: Record<string, unknown> = {}) => ({
  model: 'gpt-oss-120b',
  messages: [{ role: 'user', content }],
  ...extra,
})

/** The data of each event of a stream, [DONE] included, after checking the framing. */
export function eventData(body: string): string[] {
  if (!body.endsWith('\n\n')) throw new Error('the stream does not end with a blank line')
  return body
    .slice(0, -2)
    .split('\n\n')
    .map((event) => {
      if (!event.startsWith('data: ') || event.includes('\n')) throw new Error(`not a single data line: ${event}`)
      return event.slice('data: '.length)
    })
}

export type Chunk = {
  id: string
  choices: Array<{
    delta: {
      role?: string
      content?: string
      reasoning?: string
      tool_calls?: Array<{ id?: string; index: number; type: string; function: { name?: string; arguments: string } }>
    }
    finish_reason?: string
    index: number
  }>
  usage?: { total_tokens: number; completion_tokens: number; prompt_tokens: number }
  time_info?: Record<string, number>
}

/** The chunks of a stream, [DONE] left out. */
export const chunksOf = (body: string): Chunk[] =>
  eventData(body)
    .filter((data) => data !== '[DONE]')
    .map((data) => JSON.parse(data) as Chunk)

export const contentOf = (chunks: readonly Chunk[]): string =>
  chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')
