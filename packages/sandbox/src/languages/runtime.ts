import type { Language } from '@loopgate/contracts'
import type { JailLimits } from '../types.ts'

/** A read-only view of a host path inside the sandbox. */
export type Bind = { readonly source: string; readonly target: string }

/** What runs: the candidate as a program, the candidate as a server of calls, a check, or a compiler. */
export type Role = 'program' | 'serve' | 'check' | 'compile'

/** Where the bootstraps stand inside every sandbox. */
export const BOOTSTRAP_FOLDER = '/opt/loopgate'

/** How a language without a bootstrap of ours is compiled and run; see `fillTemplate` for the templates. */
type Commands = {
  readonly run: readonly string[]
  readonly compile: readonly string[] | null
  readonly fileName: string
  /** A program by which it is tried. */
  readonly probe: string
}

/** A language's interpreter as the sandbox starts it. */
export type Runtime = {
  readonly language: Language
  readonly version: string
  readonly binds: readonly Bind[]
  /** The whole environment inside. */
  readonly env: Readonly<Record<string, string>>
  /** How its bootstrap is started; nothing for a language with commands instead. */
  readonly argv: (role: Role, limits: JailLimits) => readonly string[]
  readonly commands?: Commands
  /** How its server of forks is started, for the tier `fork`; absent where it has none. */
  readonly forkServer?: readonly string[]
  /** Of a Node: its NODE_MODULE_VERSION, and how it is started with other options and another script. */
  readonly node?: {
    readonly abi: string
    readonly start: (limits: JailLimits, options: readonly string[]) => readonly string[]
  }
  /**
   * Limits that its start fixes: a sandbox that was started ahead serves an execution only if they are its own.
   * Absent where sandboxes are not started ahead.
   */
  readonly fixedLimits?: (limits: JailLimits) => readonly number[]
  /** Limits that the bootstrap sets on itself before anything of the candidate runs: RLIMIT name, soft, hard. */
  readonly rlimits: (limits: JailLimits) => Readonly<Record<string, readonly [number, number]>>
  /** More folders for imports. */
  readonly sitePaths: readonly string[]
  /** Processes and threads that the runtime itself needs beyond what the candidate may have. */
  readonly ownProcesses: number
  /** Memory that what runs it takes beyond what the candidate may have. */
  readonly ownBytes?: number
}

/**
 * Sets, by the first four arguments, the limits of a program that cannot set them on itself: a shell does so
 * before it becomes the program. dash calls NPROC -p, bash -u.
 */
export const SHELL_LIMITS = [
  'ulimit -c 0',
  'ulimit -t "$1"',
  'ulimit -f "$2"',
  'ulimit -n "$3"',
  '{ ulimit -p "$4" 2>/dev/null || ulimit -u "$4"; }',
  'shift 4',
] as const

/** Variables of every sandbox; interpreters that are not the system's stand in /opt. LANG keeps Python from setting LC_CTYPE itself. */
export const COMMON_ENV = {
  PATH: '/usr/bin:/bin:/opt/node/bin:/opt/python/bin',
  HOME: '/tmp',
  LANG: 'C.UTF-8',
} as const

/** Open files a program may have: glibc's and Node's own needs are below 30. */
export const OPEN_FILES = 256

/**
 * What RLIMIT_NPROC allows beyond the limit of processes: the sandbox's init, and one so that the cgroup's limit,
 * whose refusals are counted, is met first. Where there is no cgroup a program has one process more.
 */
export const SPARE_PROCESSES = 2

/**
 * Whole seconds for RLIMIT_CPU. The exact limit is the cgroup's or the watcher's; this one, a second
 * later, holds where neither works.
 */
export function cpuSeconds(limits: JailLimits): number {
  return Math.ceil(limits.cpuMs / 1000) + 1
}
