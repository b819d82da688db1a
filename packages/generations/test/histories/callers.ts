import { once } from 'node:events'
import { LoopgateError } from '@loopgate/service-kit'
import type { Ticket } from '../../src/index.ts'
import { contentOf, dataOf, read, slowSink } from '../kit.ts'

/** What a caller came away with. */
type Outcome = { readonly content: string } | { readonly failed: string }

export type Caller = {
  readonly at: number
  readonly question: number
  /** The step in which it joined. */
  readonly since: number
  /** It has left, or its replica has died: what it gets is nobody's. */
  left: boolean
  readonly leave: () => void
  /** Begins to read, if it has not so far. */
  readonly goOn: () => void
  readonly outcome: Promise<Outcome>
}

/** A caller of one generation. Its outcome rejects for what no caller may ever get. */
export function createCaller(
  ticket: Ticket,
  {
    at,
    question,
    since,
    stream,
    slow,
  }: { at: number; question: number; since: number; stream: boolean; slow: boolean },
): Caller {
  const gone = Promise.withResolvers<Outcome>()
  const reader = slowSink()
  const answer = (stream && slow ? readSlowly(ticket, reader) : read(ticket)).then(
    ({ text, content }): Outcome => (stream ? outcomeOfStream(text, content) : { content }),
    (error: unknown): Outcome => {
      if (error instanceof LoopgateError) return { failed: `${error.code} ${error.message}` }
      throw error
    },
  )
  const caller: Caller = {
    at,
    question,
    since,
    left: false,
    leave() {
      caller.left = true
      ticket.leave()
      gone.resolve({ failed: 'it left' })
    },
    goOn: () => reader.goOn(),
    outcome: Promise.race([answer, gone.promise]),
  }
  return caller
}

async function readSlowly(ticket: Ticket, reader: ReturnType<typeof slowSink>) {
  const { content } = await ticket.ready
  if (content.kind !== 'stream') throw new Error('a stream was asked for')
  const ended = once(reader.sink, 'finish')
  content.pipe(reader.sink)
  await ended
  const text = reader.text()
  return { text, content: contentOf('stream', text) }
}

function outcomeOfStream(text: string, content: string): Outcome {
  if (text.includes('"finish_reason":"error"')) {
    if (text.includes('[DONE]')) throw new Error(`an error and [DONE]: ${text}`)
    return { failed: dataOf(text).join('') }
  }
  if (!text.includes('[DONE]')) throw new Error(`a truncated success: ${text}`)
  return { content }
}
