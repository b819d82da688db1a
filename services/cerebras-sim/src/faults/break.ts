import type { Clock } from '@loopgate/service-kit'
import type { Call } from '../completions/call.ts'
import { sse, type StreamEvent } from '../completions/envelope.ts'
import type { Pace } from '../completions/pace.ts'
import { endStream, openStream, reply, type Answer } from '../completions/reply.ts'
import { ERROR_CHUNK, SERVER_ERROR } from '../http/errors.ts'
import { writeError } from '../http/respond.ts'
import type { Fault, FaultBreak } from './spec.ts'

/** How long a slow first byte is late unless the fault says. */
const DEFAULT_SLOW_MS = 1000
/** The finish chunk and [DONE]: what a broken stream must never hold. */
const ENDING_EVENTS = 2

type Scene = { readonly answer: Answer; readonly pace: Pace; readonly clock: Clock; readonly fault: Fault }

/** Sends the answer as the fault breaks it. */
export function replyBroken(kind: FaultBreak, scene: Scene): void {
  BREAKS[kind](scene)
}

const BREAKS: Readonly<Record<FaultBreak, (scene: Scene) => void>> = {
  reset: ({ answer: { call } }) => {
    const { socket } = call.response
    call.end()
    // A plain close would let the client take it for a server that had nothing to say.
    if (socket !== null && 'resetAndDestroy' in socket) socket.resetAndDestroy()
    else call.response.destroy()
  },

  slow_first_byte: (scene) => {
    const { answer, pace, fault } = scene
    after(scene, fault.delayMs ?? DEFAULT_SLOW_MS, () => reply(answer, pace))
  },

  stall: (scene) => {
    const { answer, pace, fault } = scene
    const { call } = answer
    if (!answer.stream) {
      // Nothing of a whole answer leaves before it is complete, so its silence begins at once.
      if (fault.delayMs !== undefined) after(scene, fault.delayMs, () => reply(answer, pace))
      return
    }
    const [before, rest] = splitEvents(answer.events(), fault)
    openStream(answer)
    call.response.flushHeaders()
    pace.write(call, before, () => {
      if (fault.delayMs === undefined) return
      after(scene, fault.delayMs, () => pace.write(call, rest, () => endStream(call)))
    })
  },

  cut: (scene) => beginOnly(scene, (call) => call.response.destroy()),

  truncate: (scene) => beginOnly(scene, (call) => call.response.end()),

  error_chunk: (scene) => {
    const { answer, pace, fault } = scene
    const { call } = answer
    if (!answer.stream) {
      call.end()
      writeError(call.response, SERVER_ERROR, answer.headers)
      return
    }
    const [before] = splitEvents(answer.events(), fault)
    openStream(answer)
    pace.write(call, [...before, sse(ERROR_CHUNK)], () => endStream(call))
  },
}

function after({ answer: { call }, clock }: Scene, ms: number, action: () => void): void {
  const cancel = clock.after(ms, () => {
    if (call.isOpen()) action()
  })
  call.whenEnded(cancel)
}

function splitEvents(
  events: readonly StreamEvent[],
  { afterChunks }: Fault,
): readonly [readonly StreamEvent[], readonly StreamEvent[]] {
  const at = Math.min(afterChunks, events.length - ENDING_EVENTS)
  return [events.slice(0, at), events.slice(at)]
}

/** Sends the first events, or half of a whole answer, and leaves the rest to `finish`. */
function beginOnly({ answer, pace, fault }: Scene, finish: (call: Call) => void): void {
  const { call } = answer
  const broken = (): void => {
    call.end()
    finish(call)
  }
  if (answer.stream) {
    const [before] = splitEvents(answer.events(), fault)
    openStream(answer)
    // The empty write reports back once all before it has left, so that a cut loses none of it.
    pace.write(call, before, () => call.response.write('', broken))
    return
  }
  const body = answer.body()
  call.response.writeHead(200, ['content-type', 'application/json', ...answer.headers])
  call.response.write(body.slice(0, body.length / 2), broken)
}
