import type { ExecutionRequest } from '@loopgate/contracts'
import { startSession, type Session, type SessionDeps, type SessionEnd } from '../jail/session.ts'
import type { Runtime } from '../languages/runtime.ts'

/** An answer of the candidate: plain data, an exception, or the reason why it is neither. */
type Answer = { readonly kind: 'value' | 'exception' | 'not_plain'; readonly payload: Buffer }

/** The candidate in its sandbox, loaded and answering calls one at a time. */
export type ServedCandidate = {
  readonly session: Session
  /** Settles when the candidate is loaded: whether it has a function of each name. Null if it ended before. */
  readonly ready: Promise<readonly boolean[] | null>
  /** One call, as the checker encoded it. Null if the candidate ended or broke the protocol instead. */
  readonly call: (payload: Buffer) => Promise<Answer | null>
  /** Why the candidate was ended for what it wrote on the channel, or null. */
  readonly violation: () => string | null
  readonly hasEnded: () => boolean
  readonly ended: Promise<SessionEnd>
}

const KINDS = { A: 'value', E: 'exception', N: 'not_plain' } as const
const SEQUENCE_BYTES = 4

/**
 * Starts the candidate as a server of functions. It can write whatever it likes on its channel, so an
 * answer counts only while a call with its number is open; anything else ends it.
 * @throws Error if the sandbox cannot be started
 */
export function serveCandidate(
  deps: SessionDeps,
  runtime: Runtime,
  request: ExecutionRequest,
  id: string,
  init: Readonly<Record<string, unknown>>,
): ServedCandidate {
  let broken: string | null = null
  let sequence = 0
  let open: { sequence: number; settle: (answer: Answer | null) => void } | null = null
  const ready = Promise.withResolvers<readonly boolean[] | null>()
  const names = request.checks.map((check) => check.entryPoint)
  let isReady = false
  let hasEnded = false

  const violate = (reason: string) => {
    broken ??= reason
    session.kill('finished')
  }
  const onAnswer = (kind: Answer['kind'], payload: Buffer) => {
    const number = payload.length >= SEQUENCE_BYTES ? payload.readUInt32BE(0) : -1
    if (open === null || open.sequence !== number) return violate('it answered a call that was not made')
    const { settle } = open
    open = null
    settle({ kind, payload: payload.subarray(SEQUENCE_BYTES) })
  }
  const session = startSession(
    deps,
    { id, runtime, role: 'serve', limits: request.limits, stdin: null },
    request.limits.wallMs,
    {
      ...init,
      mode: 'serve',
      entry: request.entry ?? request.files[0]?.path,
      args: request.args,
      names: [...new Set(names)],
    },
    request.files,
    {
      onFrame: ({ kind, payload }) => {
        if (broken !== null) return
        const answer = KINDS[kind as keyof typeof KINDS]
        if (answer !== undefined) onAnswer(answer, payload)
        else if (kind === 'R' && !isReady && payload.length === new Set(names).size) {
          isReady = true
          const has = new Map([...new Set(names)].map((name, i) => [name, payload[i] === 0x31]))
          ready.resolve(names.map((name) => has.get(name) === true))
        } else violate('it wrote something else on the channel of its answers')
      },
      onFault: (reason) => violate(reason),
    },
  )
  const ended = session.ended.then((end) => {
    hasEnded = true
    ready.resolve(null)
    open?.settle(null)
    open = null
    return end
  })
  return {
    session,
    ready: ready.promise,
    ended,
    violation: () => broken,
    hasEnded: () => hasEnded,
    call: (payload) =>
      new Promise((settle) => {
        if (hasEnded) return settle(null)
        sequence += 1
        open = { sequence, settle }
        const numbered = Buffer.allocUnsafe(SEQUENCE_BYTES + payload.length)
        numbered.writeUInt32BE(sequence, 0)
        payload.copy(numbered, SEQUENCE_BYTES)
        session.channel.send('Q', numbered)
      }),
  }
}
