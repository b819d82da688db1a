import type {
  ExecutionRequest,
  ExecutionResult,
  Isolation,
  Language,
  OutputStream,
  RunnerInfo,
} from '@loopgate/contracts'

import type { CustomLanguage } from './languages/generic.ts'
import type { WarmOptions } from './warm/pools.ts'

/** What a sandbox says of an execution; the runner adds who ran it and how long it waited for a slot. */
export type SandboxResult = Omit<ExecutionResult, 'runnerId' | 'queueMs'>

export type LanguageVersion = { readonly language: Language; readonly version: string }

export type SelfTestReport = RunnerInfo['selfTest'] & {
  /** Languages whose probe passed; empty when the tier is refused. */
  readonly languages: readonly LanguageVersion[]
  /** What holds for every execution: namespaces, limits, filters. */
  readonly enforced: readonly string[]
}

/** Told of what a program puts out while it runs, within its limit of output. */
export type OnOutput = (stream: OutputStream, bytes: Buffer) => void

export type ExecuteOptions = {
  readonly executionId: string
  readonly signal: AbortSignal
  /** Whose it is. Where processes serve several executions, only those of one tenant share one; without it none does. */
  readonly tenant?: string | undefined
  readonly onOutput?: OnOutput | undefined
}

/** One isolation tier. */
export type Sandbox = {
  readonly tier: Isolation
  /** Proves the isolation on this machine. It runs once; later calls get the same report. Never throws. */
  readonly selfTest: () => Promise<SelfTestReport>
  /**
   * Runs one request. A fault of the machine is the outcome `internal_error`, not an exception.
   * @throws the signal's reason when aborted, and Error while the self-test has not passed
   */
  readonly execute: (request: ExecutionRequest, options: ExecuteOptions) => Promise<SandboxResult>
  /** Kills what still runs and removes folders and cgroups. */
  readonly close: () => Promise<void>
}

export type SandboxOptions = {
  /** Default: `process`. */
  readonly tier?: Isolation | undefined
  /** Tier `fork`: executions of one server of forks before it is replaced. */
  readonly forksOfOne?: number | undefined
  /** Tier `isolate`: executions of one process before it is replaced. */
  readonly isolatesOfOne?: number | undefined
  /** The bubblewrap program, or the wrapper script that the set-up writes. Default: found on PATH. */
  readonly bwrapPath?: string | undefined
  /** Tier `gvisor`: the runsc program. Default: found on PATH. */
  readonly runscPath?: string | undefined
  /** A real Python interpreter, never a version manager's shim. Default: found in /usr/bin and /usr/local/bin. */
  readonly pythonPath?: string | undefined
  /** Default: the Node that runs this process. */
  readonly nodePath?: string | undefined
  /** Tier `process`: sandboxes of Python and JavaScript that are started ahead. Default: none. */
  readonly warm?: WarmOptions | undefined
  /** Languages beyond ours; `python` and `javascript` are not to be named. */
  readonly languages?: readonly CustomLanguage[] | undefined
  /** User that starts bubblewrap when this process is root; otherwise it is started as this process's own. */
  readonly launcherUid?: number | undefined
  readonly launcherGid?: number | undefined
  /** `none` leaves cgroups alone even where they would work. */
  readonly cgroups?: 'auto' | 'none' | undefined
}

/** Limits of one jail; the execution's, or the checker's own. */
export type JailLimits = {
  readonly cpuMs: number
  readonly memoryBytes: number
  readonly processes: number
  readonly outputBytes: number
  readonly diskBytes: number
}
