import type { Clock } from '@loopgate/service-kit'
import type { Host, HostKind } from './host.ts'

/** Whose a process is: nobody else's work ever enters it. A tenant that is not known has each to itself. */
export type HostKey = { readonly tenant: string | null; readonly kind: HostKind; readonly memoryBytes: number }

/** The processes of one sandbox: at work, idle for their tenant, or started ahead for nobody yet. */
export type Hosts = {
  /** One that is up or coming up; `warm` if it had been started before. */
  readonly take: (key: HostKey) => { readonly host: Host; readonly warm: boolean }
  /** After an execution that went as it should. `rssBytes` is what the process says of itself. */
  readonly giveBack: (key: HostKey, host: Host, rssBytes: number) => void
  readonly close: () => Promise<void>
}

export type HostsOptions = {
  readonly start: (kind: HostKind, memoryBytes: number) => Host
  /** Kinds of which one process waits for the first tenant that wants it, with this much memory. */
  readonly ahead: ReadonlyArray<{ readonly kind: HostKind; readonly memoryBytes: number }>
  /** Executions of one process. */
  readonly usesOfOne?: number | undefined
  readonly idleMax?: number | undefined
}

/** Executions of one process: bounds what V8 or an escape that nobody noticed might gather in it. */
const USES_OF_ONE = 1000
/** A process that has grown to this, or near what its cgroup allows, is replaced: measured, it begins with 60 MB. */
const GROWN_BYTES = 160 * 1024 * 1024
const FRESH_BYTES = 56 * 1024 * 1024
/** Processes that are kept for tenants that have nothing to run now, and for how long. */
const IDLE_MAX = 12
const IDLE_MS = 60_000

type Idle = { readonly key: string; readonly host: Host; stopTimer: () => void }

export function createHosts(clock: Clock, options: HostsOptions): Hosts {
  const { start, usesOfOne = USES_OF_ONE, idleMax = IDLE_MAX } = options
  const all = new Set<Host>()
  const uses = new Map<Host, number>()
  /** Longest idle first. */
  const idle = new Set<Idle>()
  const ahead = new Map<string, Host>()
  let isClosed = false

  const nameOf = ({ tenant, kind, memoryBytes }: HostKey) => `${kind} ${memoryBytes} ${tenant ?? ''}`
  const launch = (kind: HostKind, memoryBytes: number): Host => {
    const host = start(kind, memoryBytes)
    all.add(host)
    void forget(host)
    return host
  }
  const forget = async (host: Host) => {
    await host.ended
    all.delete(host)
    uses.delete(host)
  }
  const aheadName = (kind: HostKind, memoryBytes: number) => `${kind} ${memoryBytes}`
  const refill = () => {
    if (isClosed) return
    for (const { kind, memoryBytes } of options.ahead) {
      const name = aheadName(kind, memoryBytes)
      if (ahead.get(name)?.isAlive() !== true) ahead.set(name, launch(kind, memoryBytes))
    }
  }
  const takeIdle = (name: string): Host | undefined => {
    // The latest first: its memory is the warmest, and those not needed grow old and go.
    for (const each of [...idle].toReversed()) {
      if (each.key !== name) continue
      idle.delete(each)
      each.stopTimer()
      if (each.host.isAlive()) return each.host
    }
    return undefined
  }
  const takeAhead = ({ kind, memoryBytes }: HostKey): Host | undefined => {
    const name = aheadName(kind, memoryBytes)
    const host = ahead.get(name)
    ahead.delete(name)
    // A little later, so that it does not compete with what is about to run.
    if (host !== undefined) clock.after(0, refill)
    return host?.isAlive() === true ? host : undefined
  }
  const drop = (each: Idle) => {
    idle.delete(each)
    each.stopTimer()
    each.host.kill()
  }
  refill()
  return {
    take: (key) => {
      const known = (key.tenant === null ? undefined : takeIdle(nameOf(key))) ?? takeAhead(key)
      const host = known ?? launch(key.kind, key.memoryBytes)
      uses.set(host, (uses.get(host) ?? 0) + 1)
      return { host, warm: known !== undefined }
    },
    giveBack: (key, host, rssBytes) => {
      host.assign(null)
      const isWorn =
        (uses.get(host) ?? 0) >= usesOfOne || rssBytes > Math.min(GROWN_BYTES, key.memoryBytes + FRESH_BYTES)
      if (isClosed || key.tenant === null || isWorn || !host.isAlive()) return host.kill()
      const entry: Idle = { key: nameOf(key), host, stopTimer: () => {} }
      entry.stopTimer = clock.after(IDLE_MS, () => drop(entry))
      idle.add(entry)
      for (const oldest of idle) {
        if (idle.size <= idleMax) break
        drop(oldest)
      }
    },
    close: async () => {
      isClosed = true
      for (const each of idle) each.stopTimer()
      const living = [...all]
      for (const host of living) host.kill()
      await Promise.all(living.map(({ ended }) => ended))
    },
  }
}
