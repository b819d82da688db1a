import type { Clock, Logger } from '@loopgate/service-kit'
import type { BootedJail, Jail, JailBoot, JailSpec } from '../jail/jail.ts'
import type { Role, Runtime } from '../languages/runtime.ts'
import type { JailLimits } from '../types.ts'
import { createKind, type Kind } from './kind.ts'

export type WarmOptions = {
  /** Held of each kind that `keep` names, whether asked for or not. */
  readonly floor: number
  /** Held of all kinds together. */
  readonly ceiling: number
  /** Sandboxes, waiting or in use, that may compute before no more are started ahead: the cores. */
  readonly cores: number
}

/** Sandboxes of the tier `process` that were started ahead. Each is used once. */
export type WarmPools = {
  /** A waiting sandbox if there is one that holds these limits exactly, else a fresh one. */
  readonly startJail: (spec: JailSpec) => Jail
  /** Holds `floor` sandboxes of this kind from now on. */
  readonly keep: (runtime: Runtime, role: Role, limits: JailLimits) => void
  readonly waiting: () => number
  readonly close: () => Promise<void>
}

type Deps = {
  readonly clock: Clock
  readonly logger: Logger
  readonly bootJail: (boot: JailBoot, warm: boolean) => BootedJail
}

/** Kinds beyond those kept; the one unused for longest goes. */
const KINDS_MAX = 8
/** A start holds this thread for a millisecond: a result goes out first, and a short program runs to its end. */
const AFTER_END_MS = 1
const DURING_USE_MS = 20
const REVIEW_MS = 1_000
/** Pause after one that died while it waited: something is wrong with the machine. */
const SICK_MS = 5_000

/**
 * Starts sandboxes ahead of the programs that they are for, as many as the busiest moment of late asked for. A
 * start costs what it saves, so none is made while the cores have executions to do: then all come up cold.
 */
export function createWarmPools({ clock, logger, bootJail }: Deps, options: WarmOptions): WarmPools {
  const kinds = new Map<string, Kind>()
  const all = new Set<BootedJail>()
  let busy = 0
  let starting = 0
  let counter = 0
  let pausedUntilMs = 0
  let isClosed = false
  let cancelReview = () => {}
  let cancelRefill = () => {}
  let refillDueMs = Number.POSITIVE_INFINITY

  const waiting = () => [...kinds.values()].reduce((sum, kind) => sum + kind.size(), 0)

  const start = (kind: Kind): void => {
    const jail = bootJail({ ...kind.boot, id: `w${(counter += 1)}` }, true)
    kind.add(jail)
    all.add(jail)
    starting += 1
    let isUp = false
    const up = () => {
      if (isUp) return
      isUp = true
      starting -= 1
      refill()
    }
    const onUp = async () => {
      await jail.ready
      up()
    }
    const onEnd = async () => {
      const { stderr } = await jail.ended
      all.delete(jail)
      up()
      if (!kind.remove(jail)) return
      logger.warn({ said: stderr.slice(0, 500) }, 'a sandbox that was started ahead ended by itself')
      pausedUntilMs = clock.now() + SICK_MS
    }
    void onUp()
    void onEnd()
  }

  /** Starts what is missing as far as there are cores without work. */
  const refill = (): void => {
    const now = clock.now()
    if (isClosed) return
    for (const kind of kinds.values()) {
      while (
        now >= pausedUntilMs &&
        busy + starting < options.cores &&
        waiting() < options.ceiling &&
        kind.size() < kind.target(now, options.ceiling)
      ) {
        try {
          start(kind)
        } catch (error) {
          logger.warn({ err: error }, 'no sandbox could be started ahead')
          pausedUntilMs = now + SICK_MS
        }
      }
    }
  }

  /** At the earliest of the times that it is asked for. */
  const refillIn = (ms: number) => {
    const dueMs = clock.now() + ms
    if (refillDueMs <= dueMs) return
    cancelRefill()
    refillDueMs = dueMs
    cancelRefill = clock.after(ms, () => {
      refillDueMs = Number.POSITIVE_INFINITY
      refill()
    })
  }

  /** Lets go of what is no longer asked for, and makes up for what refills were put off. */
  const review = (): void => {
    const now = clock.now()
    for (const kind of kinds.values()) end(kind.surplus(kind.target(now, options.ceiling)))
    refill()
    cancelReview = clock.after(REVIEW_MS, review)
  }
  const end = (jails: readonly BootedJail[]) => {
    for (const jail of jails) jail.kill('finished')
  }

  const kindOf = ({ runtime, role, limits }: Omit<JailBoot, 'id'>, floor: number): Kind | null => {
    const fixed = runtime.fixedLimits?.(limits)
    if (fixed === undefined) return null
    const key = [runtime.language, role, ...fixed].join(' ')
    const known = kinds.get(key)
    if (known !== undefined && known.floor >= floor) return known
    if (known !== undefined) end(known.surplus(0))
    const kind = createKind({ runtime, role, limits }, floor, clock.now())
    kinds.set(key, kind)
    forgetOne()
    return kind
  }
  const forgetOne = () => {
    const free = [...kinds].filter(([, { floor }]) => floor === 0)
    if (free.length <= KINDS_MAX) return
    const [key, kind] = free.reduce((a, b) => (b[1].lastUsedMs() < a[1].lastUsedMs() ? b : a))
    kinds.delete(key)
    end(kind.surplus(0))
  }

  const fromStock = (spec: JailSpec): Jail | null => {
    if (spec.direct !== undefined) return null
    const jail = kindOf(spec, 0)?.take(clock.now()) ?? null
    if (jail === null) return null
    try {
      return jail.use(spec)
    } catch (error) {
      // Its limits could not be set: they hold exactly in a fresh one.
      logger.warn({ err: error }, 'a sandbox that was started ahead did not take its limits')
      jail.kill('fault')
      return null
    }
  }

  review()
  return {
    startJail: (spec) => {
      const jail = fromStock(spec) ?? bootJail(spec, false).use(spec)
      busy += 1
      const onEnd = async () => {
        await jail.ended
        busy -= 1
        refillIn(AFTER_END_MS)
      }
      void onEnd()
      refillIn(DURING_USE_MS)
      return jail
    },
    keep: (runtime, role, limits) => {
      kindOf({ runtime, role, limits }, options.floor)
      refill()
    },
    waiting,
    close: async () => {
      isClosed = true
      cancelReview()
      cancelRefill()
      const living = [...all]
      for (const kind of kinds.values()) end(kind.surplus(0))
      await Promise.all(living.map(({ ended }) => ended))
    },
  }
}
