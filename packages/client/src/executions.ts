import {
  batchEventSchema,
  executionEventSchema,
  executionResultSchema,
  LOOP_HEADER,
  type BatchEvent,
  type ExecutionEvent,
} from '@loopgate/contracts'
import { ApiError } from './api-error.ts'
import { eventsOf } from './event-source.ts'
import { json, type Call, type Transport } from './transport.ts'
import type { Client } from './types.ts'

const EVENTS = { accept: 'text/event-stream' }

/** The part of the client that runs code; see Client. */
export function executionsClient(transport: Transport): Client['executions'] {
  return {
    run: async (input, { signal, loopId } = {}) => {
      const headers = loopId === undefined ? {} : { [LOOP_HEADER]: loopId }
      // An execution is a pure function of its request.
      const call = { method: 'POST', path: '/api/executions', body: input, headers, signal, repeatable: true } as const
      return json(await transport.send(call), (value) => executionResultSchema.parse(value))
    },
    follow: (input, { signal } = {}) =>
      untilEnd<ExecutionEvent>(
        transport,
        { method: 'POST', path: '/api/executions', body: input, headers: EVENTS, signal, repeatable: true },
        (value) => executionEventSchema.parse(value),
        ({ type }) => type === 'end' || type === 'error',
      ),
    batch: (executions, { signal } = {}) =>
      untilEnd<BatchEvent>(
        transport,
        {
          method: 'POST',
          path: '/api/executions/batch',
          body: { executions },
          headers: EVENTS,
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
