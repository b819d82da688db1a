import type { Logger } from '@loopgate/service-kit'
import type { JailDeps } from '../jail/jail.ts'
import type { FilterOpener } from '../jail/seccomp.ts'
import type { Runtime } from '../languages/runtime.ts'
import { startZygote, type Zygote } from './zygote.ts'

/** The server of forks that is in use, and its succession. */
export type Zygotes = {
  /** The server for the next fork. */
  readonly take: () => Zygote
  /** Something about this one is not as it should be: it is given nothing more. */
  readonly distrust: (zygote: Zygote) => void
  readonly close: () => Promise<void>
}

/** Forks of one server. It runs nothing of a candidate's: this bounds what it might gather nevertheless. */
const FORKS_OF_ONE = 1000

export type ZygotesOptions = {
  readonly runtime: Runtime & { readonly forkServer: readonly string[] }
  readonly link: string
  readonly openFilter: FilterOpener
  readonly forksOfOne?: number | undefined
}

/** Starts the first server. @throws Error if it cannot be started at all */
export function createZygotes(deps: { jail: JailDeps; logger: Logger }, options: ZygotesOptions): Zygotes {
  const limit = options.forksOfOne ?? FORKS_OF_ONE
  const all = new Set<Zygote>()
  let forks = 0
  let successor: Zygote | null = null
  let isClosed = false

  const start = (): Zygote => {
    const zygote = startZygote(deps.jail, options.runtime, {
      link: options.link,
      openFilter: options.openFilter,
      onDeath: (said) => deps.logger.error({ said }, 'a server of forks died'),
    })
    all.add(zygote)
    void zygote.ended.then(() => all.delete(zygote))
    return zygote
  }
  let current = start()
  const replace = (next: Zygote) => {
    current.retire()
    current = next
    successor = null
    forks = 0
  }
  /** The old one serves until the new one is up. */
  const prepareSuccessor = () => {
    if (successor !== null) return
    const next = (successor = start())
    void succeed(next)
  }
  const succeed = async (next: Zygote) => {
    await next.ready
    if (successor !== next) return
    if (next.isAlive() && !isClosed) replace(next)
    else successor = null
  }
  return {
    take: () => {
      if (!current.isAlive()) replace(start())
      else if (forks >= limit) prepareSuccessor()
      forks += 1
      return current
    },
    distrust: (zygote) => {
      if (zygote === current && !isClosed) replace(start())
      else zygote.retire()
    },
    close: async () => {
      isClosed = true
      const living = [...all]
      for (const zygote of living) zygote.kill()
      await Promise.all(living.map(({ ended }) => ended))
    },
  }
}
