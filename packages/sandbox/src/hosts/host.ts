import type { Cgroup } from '../cgroups/types.ts'
import type { Channel, Frame } from '../jail/channel.ts'
import { startJail, type JailDeps, type JailEnd } from '../jail/jail.ts'
import type { Runtime } from '../languages/runtime.ts'

/** What a jailed process that serves one execution after another is made for; it never changes. */
export type HostKind = 'candidate' | 'check' | 'strip'

export type HostSpec = {
  readonly id: string
  readonly kind: HostKind
  readonly runtime: Runtime
  /** What one execution may have; the process has what it needs itself on top. */
  readonly memoryBytes: number
  readonly closeFds: readonly number[]
}

/** One execution's hold of the process. */
type HostHandlers = {
  readonly onFrame: (frame: Frame) => void
  /** The process has ended, and with it the execution. */
  readonly onEnd: (end: JailEnd) => void
}

export type Host = {
  readonly spec: HostSpec
  /** Settles once it takes work, or has ended instead. */
  readonly ready: Promise<void>
  readonly isAlive: () => boolean
  readonly send: Channel['send']
  /** Whom its frames and its end are told; null while nobody has it. */
  readonly assign: (handlers: HostHandlers | null) => void
  /** CPU time of it and all before, in ms; null where it is not counted. */
  readonly cpuMs: () => number | null
  readonly kill: () => void
  readonly ended: Promise<JailEnd>
}

/** Measured on Node 24: the process itself with a spare isolate, and what V8 takes beyond a heap's limit. */
const OWN_BYTES = 96 * 1024 * 1024
/** A process lives for many executions, whose own limits are kept one by one. */
const LIFE_MS = 24 * 3600 * 1000
const OUTPUT_BYTES = 64 * 1024
const DISK_BYTES = 1024 * 1024

/** Starts a process in a jail of the tier `process`. @throws Error if it cannot be started at all */
export function startHost(deps: JailDeps, spec: HostSpec): Host {
  let cgroup: Cgroup | null = null
  const create: JailDeps['cgroups']['create'] = (id, limits) => (cgroup = deps.cgroups.create(id, limits))
  const jail = startJail(
    { ...deps, cgroups: { ...deps.cgroups, create } },
    {
      id: spec.id,
      runtime: spec.runtime,
      role: 'program',
      limits: {
        cpuMs: LIFE_MS,
        memoryBytes: spec.memoryBytes + OWN_BYTES,
        processes: 1,
        outputBytes: OUTPUT_BYTES,
        diskBytes: DISK_BYTES,
      },
      stdin: null,
    },
  )
  const ready = Promise.withResolvers<void>()
  let handlers: HostHandlers | null = null
  let isReady = false
  let isAlive = true
  const kill = () => {
    isAlive = false
    jail.kill('finished')
  }
  let channel: Channel | null = null
  let waiting: Array<Parameters<Channel['send']>> = []
  const open = () => {
    channel = jail.open({
      onFrame: (frame) => {
        if (isReady && handlers !== null) return handlers.onFrame(frame)
        // Out of turn it has nothing to say but that it is up: anything else is an anomaly.
        if (isReady || frame.kind !== 'B') return kill()
        isReady = true
        ready.resolve()
      },
      onFault: kill,
    })
    channel.send('B', JSON.stringify({ closeFds: spec.closeFds, memoryBytes: spec.memoryBytes, kind: spec.kind }))
    for (const frame of waiting) channel.send(...frame)
    waiting = []
  }
  void jail.ready.then(open)
  const ended = jail.ended.then((end) => {
    isAlive = false
    ready.resolve()
    handlers?.onEnd(end)
    handlers = null
    return end
  })
  return {
    spec,
    ready: ready.promise,
    isAlive: () => isAlive,
    send: (kind, payload) => {
      if (channel === null) waiting.push([kind, payload])
      else channel.send(kind, payload)
    },
    assign: (to) => {
      handlers = to
    },
    cpuMs: () => cgroup?.cpuMs() ?? null,
    kill,
    ended,
  }
}
