import { spawn } from 'node:child_process'
import type { Duplex, Readable, Writable } from 'node:stream'
import { readText } from '../cgroups/files.ts'
import { jailArguments } from '../jail/arguments.ts'
import { createChannel } from '../jail/channel.ts'
import { signal } from '../jail/ending.ts'
import { UNKNOWN_INIT_MS, type JailDeps } from '../jail/jail.ts'
import type { FilterOpener } from '../jail/seccomp.ts'
import type { Runtime } from '../languages/runtime.ts'
import { lookForPid } from './look-for-pid.ts'

type ForkRequest = {
  readonly ticket: string
  /** One letter for each connection that the fork makes; see LinkKind. */
  readonly kinds: string
  /** Size of its tmpfs in bytes. */
  readonly disk: number
  readonly role: string
}

type ForkHandlers = {
  /** The fork is there; its pid on this machine. Not called if it ends before it is found. */
  readonly onPid: (pid: number) => void
  /** It and all that it started are dead: its exit status, negative for a signal, or null if its server died. */
  readonly onExit: (status: number | null) => void
}

/** A server of forks in its jail. */
export type Zygote = {
  readonly ready: Promise<void>
  readonly fork: (request: ForkRequest, handlers: ForkHandlers) => void
  /** Executions that it is to be given no more of; it ends when the last is over. */
  readonly retire: () => void
  /** Ends it and everything that it made. */
  readonly kill: () => void
  readonly isAlive: () => boolean
  readonly ended: Promise<void>
}

/** The jail's own /tmp, which nothing is written to. */
const SERVER_DISK_BYTES = 65_536
const SAID_CHARACTERS = 2000

/** Starts a server of forks. @throws Error if the process cannot be started at all */
export function startZygote(
  deps: JailDeps,
  runtime: Runtime & { readonly forkServer: readonly string[] },
  options: { link: string; openFilter: FilterOpener; onDeath: (said: string) => void },
): Zygote {
  const filter = options.openFilter()
  const args = jailArguments(
    { system: deps.folders.system, binds: [...deps.folders.binds, ...runtime.binds] },
    runtime.env,
    SERVER_DISK_BYTES,
    { info: 4, block: 5, seccomp: 6 },
    { server: { link: options.link } },
  )
  const child = spawn(deps.bwrap.command, [...deps.bwrap.prefix, ...args, ...runtime.forkServer], {
    ...deps.identity,
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', filter.descriptor],
  })
  filter.close()
  const [, stdout, stderr, control, info, block] = child.stdio as unknown as [
    null,
    Readable,
    Readable,
    Duplex,
    Readable,
    Writable,
  ]
  const ready = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  const waiting = new Map<string, ForkHandlers>()
  const living = new Map<string, { pid: number | null; handlers: ForkHandlers }>()
  let initPid: number | null = null
  let serverPid: number | null = null
  /** Where in NSpid the pid in the jail stands. */
  let depth: number | null = null
  let isAlive = true
  let isRetired = false
  let isDoomed = false
  let said = ''

  const endIfIdle = () => {
    if (isRetired && waiting.size === 0 && living.size === 0) kill()
  }
  const kill = () => {
    if (!isAlive) return
    isDoomed = true
    // Of the jail's init, so that all namespaces below go too; bubblewrap itself dies with it. Before the
    // init is known it waits for our word: bubblewrap killed at that moment could leave it behind.
    if (initPid !== null) signal(initPid)
    else deps.clock.after(UNKNOWN_INIT_MS, () => child.kill('SIGKILL'))
  }
  /** The pid here of a child whose pid in the jail is known: the kernel lists both in the status of each. */
  const findPid = (inside: string): number | null => {
    if (initPid !== null) serverPid ??= childrenOf(initPid)[0] ?? null
    if (serverPid === null) return null
    depth ??= namespacePids(serverPid).length - 1
    const known = new Set([...living.values()].map(({ pid }) => pid))
    return childrenOf(serverPid).find((pid) => !known.has(pid) && namespacePids(pid)[depth ?? 0] === inside) ?? null
  }
  createChannel(control, {
    onFrame: ({ kind, payload }) => {
      const [first = '', second = ''] = payload.toString('latin1').split(' ')
      if (kind === 'S') ready.resolve()
      else if (kind === 'P') {
        const handlers = waiting.get(first)
        if (handlers === undefined) return kill()
        waiting.delete(first)
        // The kernel refused it, e.g. since there are as many namespaces as it allows.
        if (Number(second) < 0) {
          handlers.onExit(null)
          return endIfIdle()
        }
        const fork = { pid: null as number | null, handlers }
        living.set(second, fork)
        lookForPid(deps.clock, () => findPid(second), {
          isWanted: () => living.get(second) === fork,
          found: (pid) => {
            fork.pid = pid
            handlers.onPid(pid)
          },
        })
      } else if (kind === 'X') {
        const fork = living.get(first)
        living.delete(first)
        fork?.handlers.onExit(Number(second))
        endIfIdle()
      } else kill()
    },
    onFault: kill,
  })
  stdout.resume()
  stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-SAID_CHARACTERS)
  })
  let text = ''
  info.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    const pid = /"child-pid": (\d+)/.exec(text)?.[1]
    if (pid === undefined || initPid !== null) return
    initPid = Number(pid)
    if (isDoomed) signal(initPid)
    block.end('.')
  })
  for (const stream of [stdout, stderr, info, block]) stream.on('error', () => {})
  const onEnd = (why: string) => {
    if (!isAlive) return
    isAlive = false
    const lost = [...waiting.values(), ...[...living.values()].map(({ handlers }) => handlers)]
    waiting.clear()
    living.clear()
    for (const handlers of lost) handlers.onExit(null)
    if (!isRetired) options.onDeath(`${why} ${said}`.trim())
    ready.resolve()
    ended.resolve()
    for (const stream of child.stdio) stream?.destroy()
  }
  // Its last words come before the end of its streams.
  child.once('close', (code, killed) => onEnd(`the server of forks ended (${code ?? killed})`))
  child.once('error', (error) => onEnd(`the server of forks could not be started: ${error.message}`))

  return {
    ready: ready.promise,
    ended: ended.promise,
    isAlive: () => isAlive,
    fork: (request, handlers) => {
      if (!isAlive) return handlers.onExit(null)
      waiting.set(request.ticket, handlers)
      const body = Buffer.from(JSON.stringify(request))
      const head = Buffer.alloc(5)
      head.write('Q', 0, 'latin1')
      head.writeUInt32BE(body.length, 1)
      control.write(Buffer.concat([head, body]))
    },
    retire: () => {
      isRetired = true
      endIfIdle()
    },
    kill: () => {
      isRetired = true
      kill()
    },
  }
}

/** Pids of the children that a process has now. */
export function childrenOf(pid: number): number[] {
  return (readText(`/proc/${pid}/task/${pid}/children`) ?? '').trim().split(' ').filter(Boolean).map(Number)
}

/** proc(5): NSpid lists a process's pids from the reader's namespace inwards; the server's own are one fewer than a fork's. */
function namespacePids(pid: number): string[] {
  return /^NSpid:\s*(.+)$/m.exec(readText(`/proc/${pid}/status`) ?? '')?.[1]?.split(/\s+/) ?? []
}
