import {
  executionEventSchema,
  executionRequestSchema,
  executionResultSchema,
  MAX_FRAME_BYTES,
} from '@loopgate/contracts'
import type { Clock } from '@loopgate/service-kit'
import type { App } from '../app-type.ts'
import { NEEDS_KEY, problems } from '../openapi/responses.ts'
import { wantsEvents } from '../streams/reply-stream.ts'
import type { Ceilings } from './ceilings.ts'
import { departure } from './departure.ts'
import type { Executions } from './dispatcher.ts'
import { streamExecution } from './streamed.ts'
import type { Order } from './task.ts'

/** A request has to fit into one frame to a runner, whatever JSON makes of it and of the defaults that were filled in. */
const BODY_LIMIT_BYTES = MAX_FRAME_BYTES / 2

/** `POST /api/executions`. */
export function executionRoutes(
  app: App,
  { executions, ceilings, clock }: { executions: Executions; ceilings: Ceilings; clock: Clock },
): void {
  app.post(
    '/executions',
    {
      config: { scope: 'execute' },
      bodyLimit: BODY_LIMIT_BYTES,
      preValidation: async ({ body }) => ceilings.fill(body, ['limits', 'compileLimits']),
      schema: {
        tags: ['executions'],
        summary: 'Run code in a sandbox and wait for the result',
        description:
          'Waits for a slot of a runner, then for the end. Closing the connection takes the execution out of the queue or kills it. With `accept: text/event-stream` output comes while the program runs: `start`, `data` and `end`, or `error`. `prefer: respond-async` is a preference that is not honoured (RFC 7240, section 2): the reply is the result.',
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
          ...problems(
            'LG_BAD_REQUEST',
            'LG_BAD_JSON',
            'LG_NO_KEY',
            'LG_WRONG_KEY',
            'LG_FORBIDDEN',
            'LG_TOO_LARGE',
            'LG_MEDIA_TYPE',
            'LG_NO_RUNNER',
            'LG_ISOLATION_UNAVAILABLE',
            'LG_RUNNER_LOST',
            'LG_EXECUTION_QUEUE_FULL',
            'LG_EXECUTION_QUEUE_TIMEOUT',
            'LG_DRAINING',
            'LG_LIMIT_REACHED',
            'LG_BUDGET_SPENT',
            'LG_OVERLOADED',
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
      }
      if (!wantsEvents(request.headers.accept)) return executions.run(order)
      await streamExecution({ executions, clock }, order, reply)
      return reply
    },
  )
}
