import { writeStreamHead, writeWhole, type HeaderList } from '../http/respond.ts'
import type { Call } from './call.ts'
import type { StreamEvent } from './envelope.ts'
import type { Pace } from './pace.ts'

/** An answer ready to leave. Both shapes are made on demand; only one is. */
export type Answer = {
  readonly call: Call
  readonly stream: boolean
  readonly headers: HeaderList
  readonly body: () => string
  readonly events: () => readonly StreamEvent[]
  /** Before the first token, in milliseconds: queue and prefill. */
  readonly leadMs: number
  /** Of decoding, in milliseconds. */
  readonly decodeMs: number
  readonly streamed: () => void
}

/** Writes the answer at the pace given, and ends the call. */
export function reply(answer: Answer, pace: Pace): void {
  if (answer.stream) replyStream(answer, pace)
  else replyWhole(answer, pace)
}

function replyWhole({ call, headers, body, leadMs, decodeMs }: Answer, pace: Pace): void {
  pace.wait(call, leadMs + decodeMs, () => {
    call.end()
    writeWhole(call.response, 200, 'application/json', headers, body())
  })
}

function replyStream(answer: Answer, pace: Pace): void {
  const { call, events, leadMs } = answer
  pace.wait(call, leadMs, () => {
    openStream(answer)
    pace.write(call, events(), () => endStream(call))
  })
}

export function openStream({ call, headers, streamed }: Answer): void {
  streamed()
  writeStreamHead(call.response, headers)
}

export function endStream(call: Call): void {
  call.end()
  call.response.end()
}
