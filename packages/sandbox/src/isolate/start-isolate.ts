import type { Clock } from '@loopgate/service-kit'
import { z } from 'zod'
import type { ChannelHandlers, Frame } from '../jail/channel.ts'
import type { Jail, JailEnd, JailSpec, KillReason } from '../jail/jail.ts'
import { createOutputs } from '../jail/outputs.ts'
import { watchCpu } from '../jail/watch-cpu.ts'
import type { HostKey, Hosts } from '../hosts/hosts.ts'

/** What a process says at the end of an execution. It is the word of a process that ran the candidate: good for figures, never for a verdict. */
const endSchema = z.object({ exitCode: z.int(), cpuMs: z.number().min(0), rssBytes: z.number().min(0) })

/** What V8 and isolated-vm say of a heap for which the process had to end. A program cannot write where they do. */
const OUT_OF_MEMORY = /heap out of memory|process out of memory|is_heap_oom = 1|invalid size error/

/** First byte of a farewell for want of memory. */
const MEMORY = 'm'.charCodeAt(0)

const STARTED: Frame = { kind: 'S', payload: Buffer.alloc(0) }

/** How long a process may take to end an execution that it was told to end. */
const ENDING_MS = 500

/**
 * Runs one execution in an isolate of a process of its tenant. A candidate and a check program are never in
 * one process. Whatever has to be stopped is stopped by the end of the process, which nothing in it can refuse.
 * @throws Error if a process is needed and cannot be started
 */
export function startIsolate(deps: { clock: Clock; hosts: Hosts }, tenant: string | null, spec: JailSpec): Jail {
  const { limits, role } = spec
  const key: HostKey = { tenant, kind: role === 'check' ? 'check' : 'candidate', memoryBytes: limits.memoryBytes }
  const { host, warm } = deps.hosts.take(key)
  const ended = Promise.withResolvers<JailEnd>()
  let reason: KillReason | null = null
  let isOver = false
  let hasStarted = false
  let isShortOfMemory = false
  /** A server of calls has loaded and has no call to answer. */
  let isWaiting = false
  let handlers: ChannelHandlers | null = null
  let onRecord: (chunk: Buffer) => void = () => {}
  let stopWatch = () => {}
  let stopEnding = () => {}

  const kill = (why: KillReason) => {
    reason ??= why
    if (isOver) return
    if (why !== 'finished' || !isWaiting) return host.kill()
    // Its process ends the execution and lives on.
    host.send('K', '')
    stopEnding()
    stopEnding = deps.clock.after(ENDING_MS, host.kill)
  }
  const outputs = createOutputs(limits.outputBytes, () => kill('output'), spec.onOutput)
  const finish = (end: Pick<JailEnd, 'exitCode' | 'signal' | 'cpuMs' | 'oomKills'>) => {
    if (isOver) return
    isOver = true
    stopWatch()
    stopEnding()
    ended.resolve({
      reason,
      ...end,
      ...outputs.end(),
      pidsMaxHits: 0,
      diskFull: false,
      warm,
      // What one isolate took at most nobody counts.
      peakMemoryBytes: null,
    })
  }
  /** Once its process is up an execution begins when it is told: nothing else has to come up. */
  const begin = () => {
    if (hasStarted || isOver || !host.isAlive()) return
    hasStarted = true
    handlers?.onFrame(STARTED)
  }
  const onFrame = (frame: Frame) => {
    // That the process is up and its first word may come in one piece.
    begin()
    const { kind, payload } = frame
    if (kind === 'o') return outputs.stdout(payload)
    if (kind === 'e') return outputs.stderr(payload)
    if (kind === 'V') return onRecord(payload)
    if (kind === 'Z') return onEnded(payload)
    if (kind === 'D') isShortOfMemory = payload[0] === MEMORY
    if (role === 'serve' && 'RAEN'.includes(kind)) isWaiting = true
    return handlers?.onFrame(frame)
  }
  const onEnded = (payload: Buffer) => {
    const facts = endSchema.safeParse(parseJson(payload))
    if (!facts.success) return kill('fault')
    const { exitCode, cpuMs, rssBytes } = facts.data
    // One that is being killed for a reason ends by that.
    if (reason !== null && reason !== 'finished') return host.kill()
    finish({ exitCode, signal: null, cpuMs, oomKills: 0 })
    // What brought one isolate to its limit may have brought the process near its own.
    if (isShortOfMemory) host.kill()
    else deps.hosts.giveBack(key, host, rssBytes)
  }
  const baseMs = host.cpuMs() ?? 0
  host.assign({
    onFrame,
    onEnd: (end) => {
      if (OUT_OF_MEMORY.test(end.stderr))
        handlers?.onFrame({ kind: 'D', payload: Buffer.from('mthe process of the isolate ran out of memory') })
      if (!hasStarted && end.stderr !== '') outputs.stderr(Buffer.from(end.stderr))
      const { exitCode, signal, oomKills, cpuMs } = end
      finish({ exitCode, signal, oomKills, cpuMs: cpuMs === null ? null : Math.max(0, cpuMs - baseMs) })
    },
  })
  return {
    ready: Promise.resolve(),
    go: () => {},
    open: (opened) => {
      handlers = opened
      void host.ready.then(begin)
      return {
        send: (kind, payload) => {
          if (kind === 'Q') isWaiting = false
          if (!isOver) host.send(kind, payload)
        },
      }
    },
    record: role === 'check' ? { on: (_event, listener) => void (onRecord = listener) } : null,
    started: () => {
      stopWatch = watchCpu(
        deps.clock,
        () => (host.cpuMs() ?? 0) - baseMs,
        limits.cpuMs,
        () => kill('cpu'),
      )
    },
    ended: ended.promise,
    kill,
  }
}

function parseJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'))
  } catch {
    return null
  }
}
