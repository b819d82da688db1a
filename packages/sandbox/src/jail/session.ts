import type { SandboxFile } from '@loopgate/contracts'
import type { Clock } from '@loopgate/service-kit'
import type { Channel, Frame } from './channel.ts'
import type { Jail, JailEnd, JailSpec, KillReason } from './jail.ts'

/** How a tier starts its jails. */
export type SessionDeps = {
  readonly clock: Clock
  readonly startJail: (spec: JailSpec) => Jail
  /** Whether a program can be started without a bootstrap; a fork is always of one. */
  readonly canStartDirectly: boolean
}

/** What a bootstrap is told first; the rest of it depends on the role. */
export type Init = Readonly<Record<string, unknown>>

/** Why the candidate's bootstrap said it was ending. It is the candidate's word: good for an outcome, never for a verdict. */
type Farewell = { readonly kind: 'compile' | 'memory' | 'exception' | 'exit'; readonly text: string }

/** A sandbox whose bootstrap speaks frames. */
export type Session = {
  readonly channel: Channel
  readonly kill: (reason: KillReason) => void
  readonly ended: Promise<SessionEnd>
  /** Milliseconds since the bootstrap was up; 0 before that. */
  readonly elapsedMs: () => number
}

export type SessionEnd = JailEnd & {
  readonly started: boolean
  readonly farewell: Farewell | null
  readonly startupMs: number
  readonly wallMs: number
}

export type SessionHandlers = {
  readonly onFrame: (frame: Frame) => void
  readonly onRecord?: (chunk: Buffer) => void
  /** The channel broke its form. */
  readonly onFault: (reason: string) => void
}

/** Time for a sandbox to come up; past it the machine, not the candidate, is at fault. */
const STARTUP_MS = 30_000

const FAREWELLS = { c: 'compile', m: 'memory', e: 'exception', x: 'exit' } as const

/**
 * Starts a jail, hands its bootstrap, if it has one, the init frame and files, and keeps the wall limit, which
 * begins when it has been told. A program without a bootstrap waits for a line and has no channel from then on.
 * @throws Error if the jail cannot be started
 */
export function startSession(
  deps: SessionDeps,
  spec: JailSpec,
  wallMs: number,
  init: Init,
  files: readonly SandboxFile[],
  handlers: SessionHandlers,
): Session {
  const { clock } = deps
  const begunMs = clock.now()
  const jail = deps.startJail(spec)
  let startedMs: number | null = null
  let farewell: Farewell | null = null
  let cancelWall = clock.after(STARTUP_MS, () => jail.kill('fault'))
  const onStart = () => {
    startedMs = clock.now()
    jail.started()
    cancelWall()
    cancelWall = clock.after(wallMs, () => jail.kill('wall'))
  }
  const open = (): Channel | null => {
    if (spec.direct !== undefined) {
      jail.go()
      onStart()
      return null
    }
    const channel = jail.open({
      onFrame: (frame) => {
        if (startedMs === null && frame.kind === 'S') onStart()
        else if (frame.kind === 'D') farewell = readFarewell(frame.payload) ?? farewell
        else handlers.onFrame(frame)
      },
      onFault: handlers.onFault,
    })
    const rlimits = spec.runtime.rlimits(spec.limits)
    channel.send('I', JSON.stringify({ ...init, files: files.map((file) => file.path), rlimits }))
    for (const file of files) channel.send('F', contentOf(file))
    return channel
  }
  const opened = jail.ready.then(open)
  if (handlers.onRecord) jail.record?.on('data', handlers.onRecord)
  const ended = jail.ended.then((end): SessionEnd => {
    cancelWall()
    return {
      ...end,
      started: startedMs !== null,
      farewell,
      startupMs: (startedMs ?? clock.now()) - begunMs,
      wallMs: startedMs === null ? 0 : clock.now() - startedMs,
    }
  })
  // In order behind what it is told first.
  const send: Channel['send'] = (kind, payload) => void opened.then((channel) => channel?.send(kind, payload))
  return {
    channel: { send },
    kill: jail.kill,
    ended,
    elapsedMs: () => (startedMs === null ? 0 : clock.now() - startedMs),
  }
}

export function contentOf(file: SandboxFile): Buffer {
  return Buffer.from(file.content, file.encoding === 'base64' ? 'base64' : 'utf8')
}

function readFarewell(payload: Buffer): Farewell | null {
  const kind = FAREWELLS[String.fromCharCode(payload[0] ?? 0) as keyof typeof FAREWELLS]
  return kind === undefined ? null : { kind, text: payload.toString('utf8', 1, 4001) }
}
