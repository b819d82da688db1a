import { randomUUID } from 'node:crypto'
import {
  CACHE_HEADER,
  cacheOutcomeSchema,
  IDEMPOTENCY_HEADER,
  KEY_HEADER,
  loopListSchema,
  loopViewSchema,
  REQUEST_ID_HEADER,
  runnerListSchema,
  runnerViewSchema,
  SAMPLE_HEADER,
  TERMINAL_STATES,
  type LoopView,
} from '@loopgate/contracts'
import { one } from './api-error.ts'
import { loopEvents } from './events.ts'
import { cacheClient } from './cache.ts'
import { executionsClient } from './executions.ts'
import { keysClient } from './keys.ts'
import { loopHeaders } from './of-loop.ts'
import { parseMetrics } from './metrics.ts'
import { createTransport, json } from './transport.ts'
import type { ChatCompletion, Client, ClientOptions } from './types.ts'

/** A client of one gateway; see Client for what each method promises. Close it when done. */
export function createClient(options: ClientOptions): Client {
  const transport = createTransport(options)

  const loopPath = (id: string, action = ''): string => `/api/loops/${encodeURIComponent(id)}${action}`
  const ofLoop = loopHeaders(options)

  const loopCall = async (method: 'GET' | 'POST', path: string, signal: AbortSignal | undefined): Promise<LoopView> =>
    json(await transport.send({ method, path, signal, repeatable: true }), (value) => loopViewSchema.parse(value))

  const client: Client = {
    completions: {
      chat: async (body, { signal, sampleIndex, loopId } = {}) => {
        const reply = await transport.send({
          method: 'POST',
          path: '/v1/chat/completions',
          body,
          signal,
          headers: {
            ...ofLoop(loopId),
            ...(sampleIndex === undefined ? {} : { [SAMPLE_HEADER]: String(sampleIndex) }),
          },
          // With a sample index the second call finds the first one's generation; without, it pays again.
          repeatable: sampleIndex !== undefined,
        })
        return {
          body: json(reply, toCompletion),
          cache: cacheOutcomeSchema.catch('bypass').parse(one(reply.headers, CACHE_HEADER)),
          key: one(reply.headers, KEY_HEADER),
          requestId: one(reply.headers, REQUEST_ID_HEADER),
        }
      },
    },

    executions: executionsClient(transport, ofLoop),

    loops: {
      create: async (input, { signal, idempotencyKey = randomUUID() } = {}) => {
        const headers = { [IDEMPOTENCY_HEADER]: idempotencyKey }
        const call = { method: 'POST', path: '/api/loops', body: input, headers, signal, repeatable: true } as const
        return json(await transport.send(call), (value) => loopViewSchema.parse(value))
      },
      get: (id, { signal } = {}) => loopCall('GET', loopPath(id), signal),
      cancel: (id, { signal } = {}) => loopCall('POST', loopPath(id, '/cancel'), signal),
      resume: (id, { signal } = {}) => loopCall('POST', loopPath(id, '/resume'), signal),
      list: async ({ signal, after, limit, state } = {}) => {
        const query = new URLSearchParams()
        for (const [name, value] of Object.entries({ after, limit, state })) {
          if (value !== undefined) query.set(name, String(value))
        }
        const path = `/api/loops?${query.toString()}`
        const call = { method: 'GET', path, signal, repeatable: true } as const
        return json(await transport.send(call), (value) => loopListSchema.parse(value))
      },
      events: (id, given = {}) => loopEvents(transport, id, given),
      wait: async (id, given = {}) => {
        for (let after = 0; ;) {
          for await (const { seq } of client.loops.events(id, { ...given, after })) after = seq
          const view = await client.loops.get(id, given)
          if (TERMINAL_STATES.has(view.state)) return view
        }
      },
    },

    cache: cacheClient(transport, ofLoop),

    ...keysClient(transport),

    runners: {
      list: async ({ signal } = {}) => {
        const reply = await transport.send({ method: 'GET', path: '/api/runners', signal, repeatable: true })
        return json(reply, (value) => runnerListSchema.parse(value)).runners
      },
      drain: async (id, { signal } = {}) => {
        const path = `/api/runners/${encodeURIComponent(id)}/drain`
        const reply = await transport.send({ method: 'POST', path, signal, repeatable: true })
        return json(reply, (value) => runnerViewSchema.parse(value))
      },
    },

    metrics: async ({ signal } = {}) => {
      const reply = await transport.send({ method: 'GET', path: '/metrics', signal, repeatable: true })
      return parseMetrics(reply.text)
    },

    close: () => transport.close(),
  }
  return client
}

/** Looks only at what is read later: the body may hold anything else that the upstream says. */
function toCompletion(value: unknown): ChatCompletion {
  const body = value as Partial<ChatCompletion> | null
  const choice = body?.choices?.[0]
  const content = choice?.message?.content
  if (choice === undefined || !(content === undefined || content === null || typeof content === 'string')) {
    throw new TypeError('a chat completion without a choice')
  }
  return body as ChatCompletion
}
