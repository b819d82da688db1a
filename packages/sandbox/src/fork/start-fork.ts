import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { createChannel } from '../jail/channel.ts'
import { drained, emptied, exitStatus, signal } from '../jail/ending.ts'
import type { Jail, JailDeps, JailEnd, JailSpec, KillReason } from '../jail/jail.ts'
import { createOutputs } from '../jail/outputs.ts'
import { watchCpu } from '../jail/watch-cpu.ts'
import { openWorkFolder, type WorkFolder } from '../jail/work-folder.ts'
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
  let innerPid: number | null = null
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
  const outputs = createOutputs(limits.outputBytes, () => kill('output'), spec.onOutput)

  const kinds = `coe${spec.stdin === null ? '' : 'i'}${record === null ? '' : 'r'}`
  let channelSocket: Socket | null = null
  /**
   * Once its init and all its connections are here, so is the process that shall run the bootstrap. All: one that
   * is taken from the queue of the kernel after a short program has ended would bring its output too late.
   */
  const confine = async () => {
    if (channelSocket === null || pid === null || sockets.length < kinds.length) return
    try {
      innerPid = childrenOf(pid)[0] ?? null
      if (innerPid === null) throw new Error('the fork has ended')
      if (spec.role !== 'check') folder = openWorkFolder(innerPid)
      await cgroup.add(innerPid, pid)
      channelSocket.cork()
      channelSocket.write(GO)
      channel.attach(channelSocket)
      channelSocket.uncork()
    } catch {
      kill('fault') // also when it was killed meanwhile, and the first reason stands
    }
  }
  const stopExpecting = links.expect(ticket, (kind, socket) => {
    sockets.push(socket)
    if (kind === 'o') socket.on('data', outputs.stdout)
    else if (kind === 'e') socket.on('data', outputs.stderr)
    else if (kind === 'r') record?.attach(socket)
    else if (kind === 'i') socket.resume().end(spec.stdin ?? '')
    else channelSocket = socket
    void confine()
  })
  const zygote = zygotes.take()
  zygote.fork(
    { ticket, kinds, disk: limits.diskBytes, role: spec.role },
    {
      onPid: (found) => {
        pid = found
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
  let folder = null as WorkFolder | null
  let bootMs = 0
  const started = () => {
    hasStarted = true
    // A short program has ended before its first word is read: a watch would have no end.
    if (isOver) return
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
    const diskFull = folder?.isFull() === true
    spec.collect?.(folder)
    folder?.close()
    deps.background(cgroup.remove())
    for (const socket of sockets) socket.destroy()
    channel.stream.destroy()
    record?.stream.destroy()
    return {
      reason,
      ...exitStatus(status === null ? null : status < 0 ? 128 - status : status),
      ...outputs.end(),
      ...usage,
      cpuMs: usage.cpuMs === null ? null : Math.max(0, usage.cpuMs - bootMs),
      diskFull,
      warm: false,
    }
  })()
  return {
    ready: Promise.resolve(),
    open: (handlers) => createChannel(channel.stream, handlers),
    go: () => {},
    record: record?.stream ?? null,
    started,
    ended,
    kill,
  }
}
