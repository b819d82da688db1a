import {
  batchEventSchema,
  executionBatchSchema,
  executionRequestSchema,
  MAX_FRAME_BYTES,
  type BatchEvent,
} from '@loopgate/contracts'
import type { Clock } from '@loopgate/service-kit'
import type { App } from '../app-type.ts'
import { problemOf } from '../errors/bodies.ts'
import { toFault } from '../errors/to-fault.ts'
import { deadlineMs } from '../header-values.ts'
import { BODY_REFUSED, KEY_REFUSED, NEEDS_KEY, problems } from '../openapi/responses.ts'
import { refusal } from '../plugins/validation.ts'
import { EVENT_STREAM, formatEvent, JSON_LINES, openReplyStream, wantsEvents } from '../streams/reply-stream.ts'
import type { Ceilings } from './ceilings.ts'
import type { Executions } from './dispatcher.ts'
import { departure } from './departure.ts'
import { atOnce } from './limit-executions.ts'
import { reuseOf } from './request-headers.ts'

/** Executions of one batch that wait or run at once; more would only lie in memory, the results too. */
const AT_ONCE = 64

/** `POST /api/executions/batch`: many programs in one call, their results as they come. */
export function batchRoutes(
  app: App,
  { executions, ceilings, clock }: { executions: Executions; ceilings: Ceilings; clock: Clock },
): void {
  app.post(
    '/executions/batch',
    {
      config: { scope: 'execute' },
      bodyLimit: MAX_FRAME_BYTES / 2,
      schema: {
        tags: ['executions'],
        summary: 'Run many programs, and get each result as it comes',
        description:
          'One JSON value a line, or server-sent events with `accept: text/event-stream`: an item for each execution, in the order in which they end, with a result or an error of its own; then the end. Closing the connection ends those that have not. A reply without its end was cut. Verdicts that are known are given again, unless `cache-control` says `no-cache` or `no-store`, which holds for all of them.',
        security: NEEDS_KEY,
        body: executionBatchSchema,
        response: {
          200: {
            description: 'The schema is that of each line, or of each `data`',
            content: {
              'application/x-ndjson': { schema: batchEventSchema },
              'text/event-stream': { schema: batchEventSchema },
            },
          },
          ...problems(...KEY_REFUSED, ...BODY_REFUSED),
        },
      },
    },
    async (request, reply) => {
      const events = wantsEvents(request.headers.accept)
      const stream = openReplyStream(reply, clock, events ? EVENT_STREAM : JSON_LINES)
      const tell = (event: BatchEvent): void =>
        stream.write(events ? formatEvent(event.type, event) : `${JSON.stringify(event)}\n`)
      const { tenant, keyId } = request.principal
      const items = request.body.executions
      const bytes = Math.ceil((request.rawBody?.length ?? 0) / items.length)
      const signal = departure(reply)
      const reuse = reuseOf(request.headers)
      const waitMs = deadlineMs(request.headers)

      const run = async (index: number): Promise<BatchEvent> => {
        try {
          ceilings.fill(items[index], ['limits', 'compileLimits'])
          const item = executionRequestSchema.safeParse(items[index])
          if (!item.success) throw refusal(item.error.issues)
          ceilings.check(item.data)
          const result = await executions.run({ tenant, keyId, request: item.data, bytes, signal, reuse, waitMs })
          return { type: 'item', index, result }
        } catch (error) {
          return { type: 'item', index, error: problemOf(toFault(error), request.id) }
        }
      }
      let next = 0
      const lane = async (): Promise<void> => {
        while (next < items.length && !signal.aborted) {
          tell(await run(next++))
          await stream.ready()
        }
      }
      try {
        await Promise.all(Array.from({ length: Math.min(atOnce(request.principal, AT_ONCE), items.length) }, lane))
        tell({ type: 'end', count: items.length })
      } finally {
        stream.end()
      }
    },
  )
}
