import { loopEventSchema, TERMINAL_STATES, type LoopEvent } from '@loopgate/contracts'
import { createParser } from 'eventsource-parser'
import type { Dispatcher } from 'undici'
import { ApiError } from './api-error.ts'
import { failure, pause, type Call, type Transport } from './transport.ts'
import type { CallOptions } from './types.ts'

/** Connections in a row that may fail without a single event before the caller hears of it. */
const MAX_BARREN_CONNECTIONS = 10

/** The events of a loop above `after`, over as many connections as it takes; see Client. */
export async function* loopEvents(
  transport: Transport,
  id: string,
  options: CallOptions & { readonly after?: number },
): AsyncGenerator<LoopEvent, void> {
  let last = options.after ?? 0
  let barren = 0
  for (;;) {
    const call: Call = {
      method: 'GET',
      path: `/api/loops/${encodeURIComponent(id)}/events?after=${last}`,
      headers: { accept: 'text/event-stream' },
      signal: options.signal,
      repeatable: true,
    }
    let cut: unknown = new ApiError({
      status: 200,
      code: 'unreachable',
      message: `the events of loop ${id} ended before the loop did`,
      retryable: true,
    })
    try {
      const reply = await transport.open(call)
      if (reply.statusCode === 204) {
        await reply.body.dump()
        return // the loop has ended, and there is nothing after `last`
      }
      for await (const event of eventsOf(call, reply.body)) {
        if (event.seq <= last) continue
        // Numbers are dense: what lies between was lost on the way, and a new connection brings it.
        if (event.seq > last + 1) break
        last = event.seq
        barren = 0
        yield event
        if (event.event.type === 'state' && TERMINAL_STATES.has(event.event.state)) return
      }
    } catch (error) {
      cut = error
    }
    barren += 1
    const waitMs = barren > MAX_BARREN_CONNECTIONS ? null : transport.retryDelayMs(cut, barren)
    if (waitMs === null) throw cut
    await pause(waitMs, options.signal)
  }
}

/** The events of one connection, until it ends. */
async function* eventsOf(call: Call, body: Dispatcher.ResponseData['body']): AsyncGenerator<LoopEvent, void> {
  try {
    const decoder = new TextDecoder()
    const arrived: LoopEvent[] = []
    const parser = createParser({
      onEvent: ({ data }) => {
        arrived.push(parse(data))
      },
    })
    for await (const chunk of chunks(call, body)) {
      parser.feed(decoder.decode(chunk, { stream: true }))
      yield* arrived.splice(0)
    }
  } finally {
    // Reading on would hold the connection; an error of a body nobody reads is no news.
    body.on('error', () => {}).destroy()
  }
}

async function* chunks(call: Call, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const chunk of body) yield chunk
  } catch (cause) {
    throw failure(call, cause)
  }
}

function parse(data: string): LoopEvent {
  try {
    return loopEventSchema.parse(JSON.parse(data))
  } catch (cause) {
    throw new ApiError({
      status: 200,
      code: 'bad_reply',
      message: 'the gateway sent an event that is not one of a loop',
      retryable: false,
      cause,
    })
  }
}
