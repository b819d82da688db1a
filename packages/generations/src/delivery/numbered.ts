import { createHash } from 'node:crypto'
import { Framer, parseEvent, splitEvents } from '@loopgate/cerebras'
import type { Surface } from '@loopgate/contracts'
import { fault } from '@loopgate/service-kit'
import { errorChunk } from '../shape/error-chunk.ts'
import type { ResumePoint, Sink } from '../types.ts'

export type NumberedOptions = {
  readonly surface: Surface
  readonly key: string
  readonly resume: ResumePoint | null
}

/** Digits of a mark: enough to tell the few generations apart that one key has in its life. */
const MARK_DIGITS = 12

/**
 * Gives the events of a stream ids of the form `key:number:mark`, numbers from 1. The mark tells the
 * generations of one key apart: the first event holds the upstream's id. With a point to resume
 * from, what the caller has had is left out, and another generation is an error, never a mixture.
 */
export function numbered(sink: Sink, { surface, key, resume }: NumberedOptions): Sink {
  const framer = new Framer()
  let number = 0
  let mark = ''
  let over = false
  let more = true

  return {
    write(bytes) {
      more = true
      if (!over) framer.push(bytes, { block })
      return more
    },
    end() {
      const rest = framer.end()
      if (rest !== null && !over) sink.write(rest)
      if (!over) sink.end()
      over = true
    },
    destroy: () => sink.destroy(),
    on: (event, listener) => sink.on(event, listener),
  }

  function block(bytes: Buffer): void {
    for (const event of splitEvents(bytes)) if (!over) give(event)
  }

  function give(event: Buffer): void {
    // Comments and blank lines are no events, wherever they stand.
    if (parseEvent(event) === null) return void (more = sink.write(event) && more)
    number++
    if (number === 1) mark = createHash('sha256').update(event).digest('hex').slice(0, MARK_DIGITS)
    if (resume !== null && resume.mark !== null && resume.mark !== mark) return replaced(event)
    if (resume !== null && number <= resume.after) return
    more = sink.write(Buffer.concat([Buffer.from(`id: ${key}:${number}:${mark}\n`), withoutMark(event)])) && more
  }

  function replaced(event: Buffer): void {
    over = true
    const message = 'last-event-id: the generation that it belongs to has been replaced by another'
    sink.write(errorChunk(surface, event, fault('LG_CONFLICT', { message, param: 'last-event-id' })))
    sink.end()
  }
}

/** A byte order mark stands before the first line of a stream only, which is now another. */
const withoutMark = (event: Buffer): Buffer =>
  event[0] === 0xef && event[1] === 0xbb && event[2] === 0xbf ? event.subarray(3) : event
