import type { ExecutionEvent, OutputStream } from '@loopgate/contracts'
import type { Clock } from '@loopgate/service-kit'
import type { FastifyReply } from 'fastify'
import { problemOf } from '../errors/bodies.ts'
import { toFault } from '../errors/to-fault.ts'
import { EVENT_STREAM, formatEvent, openReplyStream } from '../streams/reply-stream.ts'
import type { Executions } from './dispatcher.ts'
import type { Order } from './task.ts'

/** Past this, output is left out for a reader who does not keep up; the end comes all the same. */
const UNREAD_BYTES_MAX = 256 * 1024

type Unnumbered<E> = E extends unknown ? Omit<E, 'seq'> : never

/**
 * Runs an execution and writes what happens to it as server-sent events. A fault before the first
 * event is thrown, so that it has a status of its own; a later one is the last event.
 */
export async function streamExecution(
  { executions, clock }: { executions: Executions; clock: Clock },
  order: Order,
  reply: FastifyReply,
): Promise<void> {
  const stream = openReplyStream(reply, clock, EVENT_STREAM)
  const skipped: Record<OutputStream, number> = { stdout: 0, stderr: 0 }
  let seq = 0
  const tell = (event: Unnumbered<ExecutionEvent>): void => {
    seq += 1
    const { type } = event
    stream.write(formatEvent(type, { ...event, seq }, seq))
  }
  try {
    const result = await executions.run({
      ...order,
      watch: {
        onStart: (start) => tell({ type: 'start', ...start }),
        onOutput({ stream: name, text, skippedBytes }) {
          if (stream.unreadBytes() > UNREAD_BYTES_MAX) {
            skipped[name] += skippedBytes + Buffer.byteLength(text)
            return
          }
          tell({ type: 'data', stream: name, text, skippedBytes: skippedBytes + skipped[name] })
          skipped[name] = 0
        },
      },
    })
    tell({ type: 'end', result })
  } catch (error) {
    if (!stream.isOpen()) throw error
    tell({ type: 'error', error: problemOf(toFault(error), reply.request.id) })
  } finally {
    stream.end()
  }
}
