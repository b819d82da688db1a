import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { OutputStream } from '@loopgate/contracts'
import {
  drained,
  emptied,
  exitStatus,
  signal,
  type Jail,
  type JailDeps,
  type JailEnd,
  type JailSpec,
  type KillReason,
} from '../jail/jail.ts'
import { createCappedOutput } from '../jail/output.ts'
import { watchCpu } from '../jail/watch-cpu.ts'
import { createLateStream } from './late-stream.ts'
import { TICKET_CHARACTERS, type Links } from './links.ts'
import { childrenOf } from './zygote.ts'
import type { Zygotes } from './zygotes.ts'

export type ForkDeps = { readonly jail: JailDeps; readonly links: Links; readonly zygotes: Zygotes }

const GO = 'g'

/**
 * Starts one execution as a fork, in the order that leaves no gap: an init and the process below it, which
 * dials and shuts itself in; that goes into the cgroup, then it is told to go on and the bootstrap runs.
 * The init stays with its server: it holds nothing of the candidate's, which cannot reach it.
 * @throws Error if the cgroup cannot be made
 */
export function startFork({ jail: deps, links, zygotes }: ForkDeps, spec: JailSpec): Jail {
  const { limits, runtime } = spec
  const cgroup = deps.cgroups.create(spec.id, {
    memoryBytes: limits.memoryBytes,
    processes: limits.processes + runtime.ownProcesses,
  })
  const ticket = randomBytes(TICKET_CHARACTERS / 2).toString('hex')
  const channel = createLateStream()
  const record = spec.role === 'check' ? createLateStream() : null
  const sockets: Socket[] = []
  const exit = Promise.withResolvers<number | null>()
  let reason: KillReason | null = null
  let pid: number | null = null
  let isOver = false
  const kill = (why: KillReason) => {
    reason ??= why
    if (isOver) return
    if (pid !== null) signal(pid)
    // Unheard of until the time to come up was over: it is the server that does not answer.
    else if (why === 'fault') {
      zygotes.distrust(zygote)
      zygote.kill()
    }
  }
  const pass = (stream: OutputStream) => (bytes: Buffer) => spec.onOutput?.(stream, bytes)
  const out = createCappedOutput(limits.outputBytes, () => kill('output'), pass('stdout'))
  const err = createCappedOutput(limits.outputBytes, () => kill('output'), pass('stderr'))

  let channelSocket: Socket | null = null
  /** Once both its init and its first word are here, so is the process that shall run the bootstrap. */
  const confine = async () => {
    if (channelSocket === null || pid === null) return
    try {
      const inner = childrenOf(pid)[0]
      if (inner === undefined) throw new Error('the fork has ended')
      await cgroup.add(inner, pid)
      channelSocket.write(GO)
      channel.attach(channelSocket)
    } catch {
      kill('fault') // also when it was killed meanwhile, and the first reason stands
    }
  }
  const stopExpecting = links.expect(ticket, (kind, socket) => {
    sockets.push(socket)
    if (kind === 'o') socket.on('data', out.push)
    else if (kind === 'e') socket.on('data', err.push)
    else if (kind === 'r') record?.attach(socket)
    else if (kind === 'i') socket.resume().end(spec.stdin ?? '')
    else {
      channelSocket = socket
      void confine()
    }
  })
  const zygote = zygotes.take()
  const kinds = `coe${spec.stdin === null ? '' : 'i'}${record === null ? '' : 'r'}`
  zygote.fork(
    { ticket, kinds, disk: limits.diskBytes, role: spec.role },
    {
      onPid: (found) => {
        pid = found
        if (pid === null) return
        if (reason !== null) signal(pid)
        void confine()
      },
      onExit: (status) => {
        isOver = true
        exit.resolve(status)
      },
    },
  )

  let stopWatch = () => {}
  let hasStarted = false
  let bootMs = 0
  const started = () => {
    hasStarted = true
    bootMs = cgroup.cpuMs() ?? 0
    stopWatch = watchCpu(
      deps.clock,
      () => (cgroup.cpuMs() ?? 0) - bootMs,
      limits.cpuMs,
      () => kill('cpu'),
    )
  }
  const ended = (async (): Promise<JailEnd> => {
    const status = await exit.promise
    stopWatch()
    if (status === null) reason ??= 'fault'
    if (!hasStarted && (reason === null || reason === 'fault')) zygotes.distrust(zygote)
    await drained(deps.clock, [...sockets, ...(channelSocket === null ? [] : [channel.stream, record?.stream ?? null])])
    stopExpecting()
    await emptied(cgroup)
    const usage = cgroup.usage()
    deps.background(cgroup.remove())
    for (const socket of sockets) socket.destroy()
    channel.stream.destroy()
    record?.stream.destroy()
    return {
      reason,
      ...exitStatus(status === null ? null : status < 0 ? 128 - status : status),
      stdout: out.text(),
      stderr: err.text(),
      truncated: { stdout: out.truncated(), stderr: err.truncated() },
      ...usage,
      cpuMs: usage.cpuMs === null ? null : Math.max(0, usage.cpuMs - bootMs),
    }
  })()
  return { channel: channel.stream, record: record?.stream ?? null, started, ended, kill }
}
