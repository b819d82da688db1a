import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import type { Duplex, Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { OutputStream } from '@loopgate/contracts'
import type { Clock } from '@loopgate/service-kit'
import type { Cgroup, CgroupBackend } from '../cgroups/types.ts'
import type { Runtime, Role } from '../languages/runtime.ts'
import type { Bwrap } from '../toolchain/bwrap.ts'
import type { Identity } from '../toolchain/identity.ts'
import type { JailLimits, OnOutput } from '../types.ts'
import { jailArguments, type JailFolders } from './arguments.ts'
import { createCappedOutput } from './output.ts'
import { watchCpu } from './watch-cpu.ts'

/** Why we killed a sandbox; the first reason stands. */
export type KillReason = 'wall' | 'cpu' | 'output' | 'finished' | 'cancelled' | 'fault'

/** How a sandbox ended. */
export type JailEnd = {
  readonly reason: KillReason | null
  readonly exitCode: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  readonly truncated: { readonly stdout: boolean; readonly stderr: boolean }
  /** Since `started`. */
  readonly cpuMs: number | null
  readonly peakMemoryBytes: number | null
  readonly oomKills: number
}

/** One running sandbox. */
export type Jail = {
  /** The bootstrap's descriptor 3. */
  readonly channel: Duplex
  /** Its descriptor 4, if asked for: the checker's verdict. */
  readonly record: Readable | null
  /** Says that the bootstrap is up: from here on CPU time counts against the limit. */
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
  /** Opens the seccomp program for one sandbox; null where there is no filter for the architecture. */
  readonly openFilter: (() => { descriptor: number; close: () => void }) | null
  /** Work that goes on after a sandbox has ended: removal of cgroups. */
  readonly background: (work: Promise<void>) => void
}

export type JailSpec = {
  readonly id: string
  readonly runtime: Runtime
  readonly role: Role
  readonly limits: JailLimits
  /** Standard input; null for none. */
  readonly stdin: string | null
  readonly onOutput?: OnOutput | undefined
}

/** How long output may trickle in after the exit, e.g. from a pipe's buffer; nothing inside lives by then. */
const DRAIN_MS = 250

/** How long bubblewrap may take to name its init before it is killed instead. */
export const UNKNOWN_INIT_MS = 5_000

/**
 * Starts one sandbox, in the order that leaves no gap: bubblewrap makes the namespaces and waits,
 * its init goes into the cgroup, then it goes on and starts the program.
 * @throws Error if the process or the cgroup cannot be made
 */
export function startJail(deps: JailDeps, spec: JailSpec): Jail {
  const { limits, runtime } = spec
  const cgroup = deps.cgroups.create(spec.id, {
    memoryBytes: limits.memoryBytes,
    processes: limits.processes + runtime.ownProcesses + 1,
  })
  const filter = deps.openFilter?.() ?? null
  let child: ChildProcess
  const hasRecord = spec.role === 'check'
  const first = hasRecord ? 5 : 4
  try {
    const args = jailArguments(
      { system: deps.folders.system, binds: [...deps.folders.binds, ...runtime.binds] },
      runtime.env,
      limits.diskBytes,
      { info: first, block: first + 1, seccomp: filter === null ? null : first + 2 },
    )
    child = spawn(deps.bwrap.command, [...deps.bwrap.prefix, ...args, ...runtime.argv(spec.role, limits)], {
      ...deps.identity,
      cwd: '/',
      // Pid 1 inside is bubblewrap, whose environment the candidate can read.
      env: {},
      stdio: [
        spec.stdin === null ? 'ignore' : 'pipe',
        ...['pipe', 'pipe', 'pipe'].slice(0, hasRecord ? 3 : 2),
        ...(['pipe', 'pipe', 'pipe'] as const),
        ...(filter === null ? [] : [filter.descriptor]),
      ] as never,
    })
  } catch (error) {
    deps.background(cgroup.remove())
    throw error
  } finally {
    filter?.close()
  }
  return superviseJail(deps, spec, child, cgroup, first)
}

function superviseJail(deps: JailDeps, spec: JailSpec, child: ChildProcess, cgroup: Cgroup, first: number): Jail {
  const [stdin, stdout, stderr, channel] = child.stdio as unknown as [Writable | null, Readable, Readable, Duplex]
  const record = first === 5 ? (child.stdio[4] as Readable) : null
  const info = child.stdio[first] as Readable
  const block = child.stdio[first + 1] as Writable
  let reason: KillReason | null = null
  let initPid: number | null = null
  const kill = (why: KillReason) => {
    reason ??= why
    // The init's death takes the whole pid namespace with it, and bubblewrap reports when that is done.
    // Before the init is known it waits for our word, so it is left alone until then: bubblewrap killed
    // at that moment could leave it behind.
    if (initPid !== null) signal(initPid)
    else deps.clock.after(UNKNOWN_INIT_MS, () => child.kill('SIGKILL'))
  }
  const pass = (stream: OutputStream) => (bytes: Buffer) => spec.onOutput?.(stream, bytes)
  const out = createCappedOutput(spec.limits.outputBytes, () => kill('output'), pass('stdout'))
  const err = createCappedOutput(spec.limits.outputBytes, () => kill('output'), pass('stderr'))
  stdout.on('data', out.push)
  stderr.on('data', err.push)
  for (const stream of [stdin, stdout, stderr, info, block, record]) stream?.on('error', () => {})
  if (stdin !== null && spec.stdin !== null) stdin.end(spec.stdin)

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

  let stopWatch = () => {}
  let bootMs = 0
  const started = () => {
    bootMs = cgroup.cpuMs() ?? 0
    stopWatch = watchCpu(
      deps.clock,
      () => (cgroup.cpuMs() ?? 0) - bootMs,
      spec.limits.cpuMs,
      () => kill('cpu'),
    )
  }
  const ended = (async (): Promise<JailEnd> => {
    const { code, failed } = await exitOf(child)
    stopWatch()
    await drained(deps.clock, [stdout, stderr, channel, record])
    await emptied(cgroup)
    const usage = cgroup.usage()
    deps.background(cgroup.remove())
    for (const stream of child.stdio) stream?.destroy()
    if (failed !== null) err.push(Buffer.from(`the sandbox could not be started: ${failed}`))
    return {
      reason,
      ...exitStatus(code),
      stdout: out.text(),
      stderr: err.text(),
      truncated: { stdout: out.truncated(), stderr: err.truncated() },
      ...usage,
      cpuMs: usage.cpuMs === null ? null : Math.max(0, usage.cpuMs - bootMs),
    }
  })()
  return { channel, record, started, ended, kill }
}

export function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // dead already
  }
}

function exitOf(child: ChildProcess): Promise<{ code: number | null; failed: string | null }> {
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve({ code, failed: null }))
    child.once('error', (error) => resolve({ code: null, failed: error.message }))
  })
}

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]))

/** bubblewrap folds a death by signal into 128 + n, as a shell does. */
export function exitStatus(code: number | null): { exitCode: number | null; signal: string | null } {
  if (code === null) return { exitCode: null, signal: 'SIGKILL' }
  return { exitCode: code, signal: code > 128 ? (SIGNAL_NAMES.get(code - 128) ?? null) : null }
}

/** Waits for the end of each stream, but not for ever: a descriptor may have been passed somewhere. */
export function drained(clock: Clock, streams: ReadonlyArray<Readable | null>): Promise<void> {
  return new Promise((resolve) => {
    const open = new Set(streams.filter((stream) => stream !== null && !stream.readableEnded && !stream.destroyed))
    const cancel = clock.after(DRAIN_MS, resolve)
    const settle = () => {
      cancel()
      resolve()
    }
    if (open.size === 0) settle()
    for (const stream of open) {
      stream?.once('close', () => {
        open.delete(stream)
        if (open.size === 0) settle()
      })
      stream?.resume()
    }
  })
}

/** Waits until nothing lives in the cgroup, which is a matter of a millisecond once its init is dead. */
export async function emptied(cgroup: Cgroup): Promise<void> {
  for (let pauseMs = 1; pauseMs <= 1024 && !cgroup.isEmpty(); pauseMs *= 2) await delay(pauseMs)
}
