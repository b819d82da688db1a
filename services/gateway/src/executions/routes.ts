import {
  asyncExecutionSchema,
  CACHE_HEADER,
  executionEventSchema,
  executionRequestSchema,
  executionResultSchema,
  MAX_FRAME_BYTES,
} from '@loopgate/contracts'
import type { Clock } from '@loopgate/service-kit'
import type { App } from '../app-type.ts'
import { deadlineMs } from '../header-values.ts'
import { BODY_REFUSED, KEY_REFUSED, NEEDS_KEY, problems } from '../openapi/responses.ts'
import { wantsEvents } from '../streams/reply-stream.ts'
import type { AsyncExecutions } from './async/async-executions.ts'
import type { Ceilings } from './ceilings.ts'
import { departure } from './departure.ts'
import type { Executions } from './dispatcher.ts'
import { cacheOutcome, prefersAsync, reuseOf } from './request-headers.ts'
import { streamExecution } from './streamed.ts'
import type { Order } from './task.ts'

/** A request has to fit into one frame to a runner, whatever JSON makes of it and of the defaults that were filled in. */
const BODY_LIMIT_BYTES = MAX_FRAME_BYTES / 2

export type ExecutionRouteDeps = {
  readonly executions: Executions
  /** Without it the preference for an asynchronous reply is not honoured. */
  readonly asyncExecutions: AsyncExecutions | null
  readonly ceilings: Ceilings
  readonly clock: Clock
}

/** `POST /api/executions`. */
export function executionRoutes(app: App, { executions, asyncExecutions, ceilings, clock }: ExecutionRouteDeps): void {
  app.post(
    '/executions',
    {
      config: { scope: 'execute' },
      bodyLimit: BODY_LIMIT_BYTES,
      preValidation: async ({ body }) => ceilings.fill(body, ['limits', 'compileLimits']),
      schema: {
        tags: ['executions'],
        summary: 'Run code in a sandbox',
        description:
          'Waits for a slot of a runner, then for the end. Closing the connection takes the execution out of the queue or kills it. With `accept: text/event-stream` output comes while the program runs: `start`, `data` and `end`, or `error`. `x-loopgate-deadline-ms` bounds the wait for a slot. With `prefer: respond-async` the reply comes at once, and `location` is where the result will be; where that cannot be had the preference is not honoured (RFC 7240, section 2). A verdict that is known is given again, unless `cache-control` says `no-cache` or `no-store`.',
        security: NEEDS_KEY,
        body: executionRequestSchema,
        response: {
          200: {
            description: 'The result; with `accept: text/event-stream` the events, each with the schema of its `data`',
            content: {
              'application/json': { schema: executionResultSchema },
              'text/event-stream': { schema: executionEventSchema },
            },
          },
          202: asyncExecutionSchema,
          ...problems(
            ...KEY_REFUSED,
            ...BODY_REFUSED,
            'LG_NO_RUNNER',
            'LG_ISOLATION_UNAVAILABLE',
            'LG_RUNNER_LOST',
            'LG_EXECUTION_QUEUE_FULL',
            'LG_EXECUTION_QUEUE_TIMEOUT',
            'LG_DRAINING',
            'LG_LIMIT_REACHED',
            'LG_BUDGET_SPENT',
            'LG_OVERLOADED',
            'LG_STORE_UNAVAILABLE',
          ),
        },
      },
    },
    async (request, reply) => {
      ceilings.check(request.body)
      const order: Order = {
        tenant: request.principal.tenant,
        keyId: request.principal.keyId,
        request: request.body,
        bytes: request.rawBody?.length ?? 0,
        signal: departure(reply),
        reuse: reuseOf(request.headers),
        waitMs: deadlineMs(request.headers),
      }
      if (asyncExecutions !== null && prefersAsync(request.headers)) {
        const accepted = await asyncExecutions.accept(order)
        void reply.header('location', `/api/executions/${accepted.id}`).header('preference-applied', 'respond-async')
        return reply.code(202).send(accepted)
      }
      if (wantsEvents(request.headers.accept)) {
        await streamExecution({ executions, clock }, order, reply)
        return reply
      }
      const result = await executions.run(order)
      if (order.request.checks.length > 0) void reply.header(CACHE_HEADER, cacheOutcome(order, result))
      return result
    },
  )
}
