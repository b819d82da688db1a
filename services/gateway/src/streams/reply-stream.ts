import { once } from 'node:events'
import type { Clock } from '@loopgate/service-kit'
import type { FastifyReply } from 'fastify'

/** A reply that is written piece by piece. Its headers leave with the first piece. */
export type ReplyStream = {
  /** Whether the headers are out, so that an error can have no status of its own any more. */
  readonly isOpen: () => boolean
  readonly write: (text: string) => void
  /** Bytes that the reader has not taken yet. */
  readonly unreadBytes: () => number
  /** Resolves once the reader has taken enough that more is welcome, or has left. */
  readonly ready: () => Promise<void>
  readonly end: () => void
}

export type ReplyStreamOptions = {
  readonly contentType: string
  /** What says that the stream lives; goes out whenever nothing else has for KEEP_ALIVE_MS. */
  readonly keepAlive: string
}

/** No proxy that is worth its name takes a stream for dead after so short a silence. */
const KEEP_ALIVE_MS = 10_000

/** Server-sent events: a comment keeps the stream alive. */
export const EVENT_STREAM: ReplyStreamOptions = {
  contentType: 'text/event-stream; charset=utf-8',
  keepAlive: ': keep-alive\n\n',
}
/** One JSON value a line: an empty line keeps the stream alive. */
export const JSON_LINES: ReplyStreamOptions = { contentType: 'application/x-ndjson; charset=utf-8', keepAlive: '\n' }

/** Whether the caller asks for server-sent events. */
export const wantsEvents = (accept: string | undefined): boolean => accept?.includes('text/event-stream') ?? false

/** One server-sent event. */
export function formatEvent(type: string, data: unknown, id?: number): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}

/** Takes the reply over from Fastify with the first piece. `end` must be called, whatever happens. */
export function openReplyStream(reply: FastifyReply, clock: Clock, options: ReplyStreamOptions): ReplyStream {
  const { raw } = reply
  let isOpen = false
  let stopTimer = (): void => {}

  const write = (text: string): void => {
    if (raw.destroyed || raw.writableEnded) return
    if (!isOpen) {
      isOpen = true
      reply.hijack()
      raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': options.contentType,
        'x-accel-buffering': 'no',
      })
    }
    raw.write(text)
    stopTimer()
    stopTimer = clock.after(KEEP_ALIVE_MS, () => write(options.keepAlive))
  }
  stopTimer = clock.after(KEEP_ALIVE_MS, () => write(options.keepAlive))

  // Those who write to one stream at once wait together: listeners do not grow with their number.
  let draining: Promise<void> | undefined
  const drained = async (): Promise<void> => {
    const left = new AbortController()
    const leave = (): void => left.abort()
    raw.once('close', leave)
    await once(raw, 'drain', { signal: left.signal }).catch(() => {})
    raw.off('close', leave)
    draining = undefined
  }

  return {
    isOpen: () => isOpen,
    write,
    unreadBytes: () => raw.writableLength,
    async ready() {
      if (raw.destroyed || !raw.writableNeedDrain) return
      await (draining ??= drained())
    },
    end() {
      stopTimer()
      if (isOpen) raw.end()
    },
  }
}
