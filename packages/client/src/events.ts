import { loopEventSchema, TERMINAL_STATES, type LoopEvent } from '@loopgate/contracts'
import { ApiError } from './api-error.ts'
import { eventsOf } from './event-source.ts'
import { pause, type Call, type Transport } from './transport.ts'
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
      for await (const event of eventsOf(call, reply.body, (value) => loopEventSchema.parse(value))) {
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
