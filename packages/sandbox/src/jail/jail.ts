import type { Clock } from '@loopgate/service-kit'
import type { CgroupBackend, CgroupLimits } from '../cgroups/types.ts'
import type { Runtime, Role } from '../languages/runtime.ts'
import type { Bwrap } from '../toolchain/bwrap.ts'
import type { Identity } from '../toolchain/identity.ts'
import type { JailLimits, OnOutput } from '../types.ts'
import type { jailArguments, JailFolders } from './arguments.ts'
import { createChannel, type Channel, type ChannelHandlers } from './channel.ts'
import { drained, emptied, exitOf, exitStatus, signal } from './ending.ts'
import { launch } from './launch.ts'
import { createOutputs, type OutputsEnd } from './outputs.ts'
import { watchCpu } from './watch-cpu.ts'
import { openWorkFolder, type WorkFolder } from './work-folder.ts'

/** Why we killed a sandbox; the first reason stands. */
export type KillReason = 'wall' | 'cpu' | 'output' | 'finished' | 'cancelled' | 'fault'

/** How a sandbox ended. */
export type JailEnd = OutputsEnd & {
  readonly reason: KillReason | null
  readonly exitCode: number | null
  readonly signal: string | null
  /** Since it came up. */
  readonly cpuMs: number | null
  readonly peakMemoryBytes: number | null
  readonly oomKills: number
  readonly pidsMaxHits: number
  /** The writable folder was full at the end. */
  readonly diskFull: boolean
  /** It had been started ahead. */
  readonly warm: boolean
}

/** One running sandbox. */
export type Jail = {
  /** Settles once it may be told what to run; never if it ends before. */
  readonly ready: Promise<void>
  /** Begins to read the bootstrap's descriptor 3; called once, as soon as it is ready. */
  readonly open: (handlers: ChannelHandlers) => Channel
  /** In place of `open` where there is no bootstrap: lets the program begin. */
  readonly go: () => void
  /** Its descriptor 4, if asked for: the checker's verdict, or what a compiler made. */
  readonly record: { readonly on: (event: 'data', listener: (chunk: Buffer) => void) => unknown } | null
  /** Says that the program begins: from here on its CPU time is watched. */
  readonly started: () => void
  /** Settles when every process inside is dead and its output read. Never rejects. */
  readonly ended: Promise<JailEnd>
  readonly kill: (reason: KillReason) => void
}

export type JailDeps = {
  readonly clock: Clock
  readonly bwrap: Bwrap
  readonly identity: Identity
  readonly cgroups: CgroupBackend
  /** System and staging folders that every sandbox sees. */
  readonly folders: JailFolders
  /** What bubblewrap is told; the tier gvisor has its own. */
  readonly arguments?: typeof jailArguments
  /** Opens the seccomp program for one sandbox; null where there is no filter for the architecture. */
  readonly openFilter: (() => { descriptor: number; close: () => void }) | null
  /** Work that goes on after a sandbox has ended: removal of cgroups. */
  readonly background: (work: Promise<void>) => void
}

/** A file that bubblewrap itself writes into a sandbox that has no bootstrap, before anything runs. */
export type PlacedFile = { readonly path: string; readonly content: Buffer; readonly isReadOnlyProgram?: boolean }

/** What has to be known to start a sandbox. */
export type JailBoot = {
  readonly id: string
  readonly runtime: Runtime
  readonly role: Role
  readonly limits: JailLimits
  /** In place of the runtime's bootstrap: a program that announces itself and becomes another. */
  readonly direct?: { readonly argv: readonly string[]; readonly files: readonly PlacedFile[] } | undefined
}

/** What it may be told later, with what it is to run. */
type JailUse = {
  readonly limits: JailLimits
  /** Standard input; null for none. */
  readonly stdin: string | null
  readonly onOutput?: OnOutput | undefined
  /** Called with the working folder, if it could be held, once everything inside is dead. Must not throw. */
  readonly collect?: ((folder: WorkFolder | null) => void) | undefined
}

export type JailSpec = JailBoot & JailUse

/** A sandbox that comes up and then waits for what it is to run. */
export type BootedJail = {
  readonly ready: Promise<void>
  /** Hands it its one program. @throws Error if the system refuses its limits; it is then to be killed */
  readonly use: (use: JailUse) => Jail
  readonly kill: (reason: KillReason) => void
  readonly ended: Promise<JailEnd>
}

const UP_BYTES = 1

/** How long bubblewrap may take to name its init before it is killed instead. */
export const UNKNOWN_INIT_MS = 5_000

/**
 * Starts one sandbox for one program.
 * @throws Error if the process or the cgroup cannot be made
 */
export function startJail(deps: JailDeps, spec: JailSpec): Jail {
  return bootJail(deps, spec, false).use(spec)
}

/** What the cgroup of a sandbox of this runtime is limited to. */
function cgroupLimits(runtime: Runtime, limits: JailLimits): CgroupLimits {
  // One more for bubblewrap's init.
  return {
    memoryBytes: limits.memoryBytes + (runtime.ownBytes ?? 0),
    processes: limits.processes + runtime.ownProcesses + 1,
  }
}

/**
 * Starts one sandbox, in the order that leaves no gap: bubblewrap makes the namespaces and waits,
 * its init goes into the cgroup, then it goes on and starts the bootstrap.
 * @throws Error if the process or the cgroup cannot be made
 */
export function bootJail(deps: JailDeps, boot: JailBoot, warm: boolean): BootedJail {
  const cgroup = deps.cgroups.create(boot.id, cgroupLimits(boot.runtime, boot.limits))
  const { child, stdin, stdout, stderr, channel, record, info, block } = launch(deps, boot, cgroup)
  let reason: KillReason | null = null
  let initPid: number | null = null
  let isOver = false
  let used = null as JailUse | null
  let folder = null as WorkFolder | null
  const kill = (why: KillReason) => {
    reason ??= why
    // Its pid may be another's by now.
    if (isOver) return
    // The init's death takes the whole pid namespace with it, and bubblewrap reports when that is done.
    // Before the init is known it waits for our word, so it is left alone until then: bubblewrap killed
    // at that moment could leave it behind.
    if (initPid !== null) signal(initPid)
    else deps.clock.after(UNKNOWN_INIT_MS, () => child.kill('SIGKILL'))
  }
  // Nothing is put out before it is used, but by a bubblewrap that fails.
  let outputs = createOutputs(boot.limits.outputBytes, () => kill('output'))
  stdout.on('data', (chunk: Buffer) => outputs.stdout(chunk))
  stderr.on('data', (chunk: Buffer) => outputs.stderr(chunk))

  let text = ''
  info.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    const pid = /"child-pid": (\d+)/.exec(text)?.[1]
    if (pid === undefined || initPid !== null) return
    initPid = Number(pid)
    if (reason !== null) signal(initPid)
    cgroup.add(initPid).then(
      () => block.end('.'),
      () => kill('fault'), // also when it was killed meanwhile, and the first reason stands
    )
  })

  const ready = Promise.withResolvers<void>()
  let bootMs = 0
  // What comes up says so with one byte, and then waits: nothing of the candidate's has run yet.
  const onUp = () => {
    if (channel.read(UP_BYTES) === null) return
    channel.off('readable', onUp)
    if (initPid !== null && boot.role !== 'check') folder = openWorkFolder(initPid)
    bootMs = cgroup.cpuMs() ?? 0
    ready.resolve()
  }
  channel.on('readable', onUp)

  let stopWatch = () => {}
  const started = () => {
    // A short program has ended before its first word is read: a watch would have no end.
    if (used === null || isOver) return
    stopWatch = watchCpu(
      deps.clock,
      () => (cgroup.cpuMs() ?? 0) - bootMs,
      used.limits.cpuMs,
      () => kill('cpu'),
    )
  }
  const ended = (async (): Promise<JailEnd> => {
    const { code, failed } = await exitOf(child)
    isOver = true
    stopWatch()
    await drained(deps.clock, [stdout, stderr, channel, record])
    await emptied(cgroup)
    const usage = cgroup.usage()
    const diskFull = folder?.isFull() === true
    used?.collect?.(folder)
    folder?.close()
    deps.background(cgroup.remove())
    for (const stream of child.stdio) stream?.destroy()
    if (failed !== null) outputs.stderr(Buffer.from(`the sandbox could not be started: ${failed}`))
    return {
      reason,
      ...exitStatus(code),
      ...outputs.end(),
      ...usage,
      cpuMs: usage.cpuMs === null ? null : Math.max(0, usage.cpuMs - bootMs),
      diskFull,
      warm,
    }
  })()
  const use = (use: JailUse): Jail => {
    if (warm) cgroup.limit(cgroupLimits(boot.runtime, use.limits))
    used = use
    outputs = createOutputs(use.limits.outputBytes, () => kill('output'), use.onOutput)
    if (stdin !== null) stdin.end(use.stdin ?? '')
    return {
      ready: ready.promise,
      open: (handlers) => createChannel(channel, handlers),
      go: () => void channel.end('\n'),
      record,
      started,
      ended,
      kill,
    }
  }
  return { ready: ready.promise, use, kill, ended }
}
