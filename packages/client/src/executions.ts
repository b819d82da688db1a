import {
  asyncExecutionSchema,
  batchEventSchema,
  executionEventSchema,
  executionResultSchema,
  type AsyncExecution,
  type BatchEvent,
  type ExecutionEvent,
} from '@loopgate/contracts'
import { ApiError } from './api-error.ts'
import { eventsOf } from './event-source.ts'
import type { OfLoop } from './of-loop.ts'
import { json, pause, type Call, type Transport } from './transport.ts'
import type { CallOptions, Client } from './types.ts'

const EVENTS = { accept: 'text/event-stream' }
const CACHE_CONTROL = { use: {}, renew: { 'cache-control': 'no-cache' }, ignore: { 'cache-control': 'no-store' } }
/** How often `wait` looks; an execution takes at least a few milliseconds and usually waits for a slot. */
const POLL_MS = 250

const notAsync = (): ApiError =>
  new ApiError({
    status: 200,
    code: 'not_async',
    message: 'the gateway has no Redis and ran the execution at once instead of later',
    retryable: false,
  })

/** The part of the client that runs code; see Client. */
export function executionsClient(transport: Transport, ofLoop: OfLoop): Client['executions'] {
  const ofOne = async (method: 'GET' | 'DELETE', id: string, { signal }: CallOptions): Promise<AsyncExecution> => {
    const call = { method, path: `/api/executions/${encodeURIComponent(id)}`, signal, repeatable: true } as const
    return json(await transport.send(call), (value) => asyncExecutionSchema.parse(value))
  }
  return {
    run: async (input, { signal, loopId, reuse = 'use' } = {}) => {
      const headers = { ...ofLoop(loopId), ...CACHE_CONTROL[reuse] }
      // An execution is a pure function of its request.
      const call = { method: 'POST', path: '/api/executions', body: input, headers, signal, repeatable: true } as const
      return json(await transport.send(call), (value) => executionResultSchema.parse(value))
    },
    submit: async (input, { signal, reuse = 'use' } = {}) => {
      const headers = { prefer: 'respond-async', ...CACHE_CONTROL[reuse] }
      // Not tried again after a lost reply: it might then run twice, and only one of the two would be found.
      const call = { method: 'POST', path: '/api/executions', body: input, headers, signal, repeatable: false } as const
      const reply = await transport.send(call)
      if (reply.status !== 202) throw notAsync()
      return json(reply, (value) => asyncExecutionSchema.parse(value))
    },
    get: (id, options = {}) => ofOne('GET', id, options),
    cancel: (id, options = {}) => ofOne('DELETE', id, options),
    wait: async (id, { signal, pollMs = POLL_MS } = {}) => {
      for (;;) {
        const execution = await ofOne('GET', id, { signal })
        if (execution.endedAt !== null) return execution
        await pause(pollMs, signal)
      }
    },
    follow: (input, { signal } = {}) =>
      untilEnd<ExecutionEvent>(
        transport,
        { method: 'POST', path: '/api/executions', body: input, headers: EVENTS, signal, repeatable: true },
        (value) => executionEventSchema.parse(value),
        ({ type }) => type === 'end' || type === 'error',
      ),
    batch: (executions, { signal, reuse = 'use' } = {}) =>
      untilEnd<BatchEvent>(
        transport,
        {
          method: 'POST',
          path: '/api/executions/batch',
          body: { executions },
          headers: { ...EVENTS, ...CACHE_CONTROL[reuse] },
          signal,
          repeatable: true,
        },
        (value) => batchEventSchema.parse(value),
        ({ type }) => type === 'end',
      ),
  }
}

/** The events of one call up to the one that ends it. @throws ApiError if the connection ends before */
async function* untilEnd<T>(
  transport: Transport,
  call: Call,
  check: (value: unknown) => T,
  isEnd: (event: T) => boolean,
): AsyncGenerator<T, void> {
  const { body } = await transport.open(call)
  for await (const event of eventsOf(call, body, check)) {
    yield event
    if (isEnd(event)) return
  }
  throw new ApiError({
    status: 200,
    code: 'unreachable',
    message: `${call.method} ${call.path}: the events ended before the end`,
    retryable: true,
  })
}
