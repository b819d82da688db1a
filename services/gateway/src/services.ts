import type { Upstream } from '@loopgate/cerebras'
import type { Generations } from '@loopgate/generations'
import type { Clock, Logger, Registry } from '@loopgate/service-kit'
import type { Authenticator } from './auth/authenticator.ts'
import type { OnBehalf } from './auth/on-behalf.ts'
import type { AsyncDoor } from './executions/async/compose.ts'
import type { Ceilings } from './executions/ceilings.ts'
import type { Executions } from './executions/dispatcher.ts'
import type { KeyServices } from './keys/key-services.ts'
import type { LoopServices } from './loops/loop-services.ts'
import type { Drain } from './operations/drain.ts'
import type { RunnerHub } from './runners/hub.ts'
import type { Shedding } from './shedding/shedding.ts'

/** Everything that the routes stand on, made by `compose`. */
export type Services = {
  readonly logger: Logger
  readonly clock: Clock
  readonly registry: Registry
  readonly drain: Drain
  readonly authenticator: Authenticator
  readonly onBehalf: OnBehalf
  readonly hub: RunnerHub
  readonly executions: Executions
  /** Executions whose caller does not wait; null without a Redis. */
  readonly asyncExecutions: AsyncDoor | null
  readonly ceilings: Ceilings
  readonly loops: LoopServices | null
  readonly upstream: Upstream
  readonly generations: Generations
  readonly keys: KeyServices
  readonly shedding: Shedding
  /** Where other replicas reach this one; null for the address that it is bound to. */
  readonly advertiseUrl: string | null
  /** State of the connection to the Redis of the loops. */
  readonly loopsStatus: () => 'none' | 'up' | 'down'
  /** Closes what was opened; called once the last reply is out. */
  readonly close: () => Promise<void>
}
