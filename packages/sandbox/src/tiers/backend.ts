import type { ExecutionRequest } from '@loopgate/contracts'
import type { SessionDeps } from '../jail/session.ts'
import type { Runtime } from '../languages/runtime.ts'
import type { SandboxResult, SelfTestReport } from '../types.ts'

/** What differs from tier to tier: which languages it runs, how a sandbox of it starts, and what proves it. */
export type Backend = {
  readonly runtimes: readonly Runtime[]
  /** How sandboxes of one tenant start; null is one of whom nothing is known. */
  readonly sessionsOf: (tenant: string | null) => SessionDeps
  /** Descriptors that a bootstrap has to close, since the launcher left them open. */
  readonly closeFds: readonly number[]
  /** What each execution has by the tier itself, in the words of `isolation.enforced`. */
  readonly enforced: readonly string[]
  /** The jail around what a program of the tier cannot look out of; it is probed in its place. */
  readonly around?: { readonly runtimes: readonly Runtime[]; readonly sessions: SessionDeps }
  /** What the tier promises beyond what one ordinary program can see. @throws Error, which fails the tier */
  readonly probe: (
    run: (runtime: Runtime, request: ExecutionRequest) => Promise<SandboxResult>,
  ) => Promise<SelfTestReport['checks']>
  /** Called once the self-test has passed: from now on it may start what is not asked for yet. */
  readonly onSound?: () => void
  readonly close: () => Promise<void>
}
