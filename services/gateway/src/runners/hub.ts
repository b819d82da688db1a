import type { WebSocket } from '@fastify/websocket'
import { CLOSE_CODES, type Isolation, type Language, type RunnerInfo, type RunnerView } from '@loopgate/contracts'
import type { Ignored } from '@loopgate/runner-wire'
import type { Clock, Logger } from '@loopgate/service-kit'
import { acceptRunner, type Connection, type ConnectionOptions, type WorkFrame } from './connection.ts'
import { createServed, type Served } from './served.ts'

/** An attached runner with what this replica has given it to do. */
export type Runner = {
  readonly id: string
  readonly connection: Connection
  /** Ids of the leases that occupy its slots. */
  readonly leases: Set<string>
  /** Whose work of what kind it had lately. */
  readonly served: Served
  draining: boolean
  /** Executions of all replicas: what it said last, and what we have done to it since. */
  running: number
  /** Set by `busy`: it takes nothing before this moment (monotonic ms). */
  busyUntil: number
  /** How long the latest `busy` kept it out, ms; 0 after it took something. */
  backoffMs: number
}

/** Frames about one lease. */
export type LeaseFrame = Extract<WorkFrame, { leaseId: string }>

/** Who hands out the work. */
export type RunnerEvents = {
  readonly onAttached: (runner: Runner) => void
  readonly onFrame: (runner: Runner, frame: LeaseFrame) => void
  readonly onLost: (runner: Runner, reason: string) => void
  readonly onIgnored: (what: Ignored) => void
}

export type RunnerHub = {
  /** Takes over a socket whose runner is authenticated. */
  readonly accept: (socket: WebSocket) => void
  readonly runners: () => Iterable<Runner>
  readonly views: () => RunnerView[]
  /** Tells a runner to take nothing more, of any replica; null if it is not attached here. */
  readonly retire: (id: string) => RunnerView | null
  /** Whether any attached runner announced the tier, and the language if one is given. */
  readonly offers: (tier: Isolation, language?: Language) => boolean
  readonly size: () => number
  /** The other replicas have changed: attached runners are told, and those that attach later. */
  readonly setPeers: (urls: readonly string[]) => void
  /** Asks the runners to expect nothing more from this replica. */
  readonly drain: () => void
  /** Ends every socket. */
  readonly close: (code: number, reason: string) => void
}

/** A runner that is not full but whose unsent bytes exceed this gets nothing more for now. */
const QUEUED_BYTES_MAX = 16 * 1024 * 1024

/** Whether a runner could take one more execution at this moment. */
export function hasRoom(runner: Runner, now: number): boolean {
  return (
    !runner.draining &&
    runner.leases.size < runner.connection.info.slots &&
    runner.busyUntil <= now &&
    runner.connection.queuedBytes() < QUEUED_BYTES_MAX
  )
}

function viewOf({ connection, draining, leases, running }: Runner): RunnerView {
  return {
    ...connection.info,
    state: draining ? 'draining' : 'ready',
    busySlots: leases.size,
    running: Math.max(running, leases.size),
    protocol: connection.protocol,
    connectedAt: connection.connectedAt.toISOString(),
  }
}

/** Whether a runner announced the tier and, if one is given, that it runs the language in it. */
export function offersOf({ tiers, languages }: RunnerInfo, tier: Isolation, language?: Language): boolean {
  if (!tiers.includes(tier)) return false
  if (language === undefined) return true
  return languages.some((each) => each.language === language && (each.tiers?.includes(tier) ?? true))
}

/** A runner as it is when it has just attached. */
export function attached(connection: Connection): Runner {
  return {
    id: connection.info.runnerId,
    connection,
    leases: new Set(),
    served: createServed(),
    draining: false,
    running: 0,
    busyUntil: 0,
    backoffMs: 0,
  }
}

/** Keeps the sockets of the attached runners. `bind` must be called before the first socket. */
export function createRunnerHub(
  { clock, logger }: { clock: Clock; logger: Logger },
  options: Omit<ConnectionOptions, 'peers'>,
): RunnerHub & { bind: (events: RunnerEvents) => void } {
  const byId = new Map<string, Runner>()
  let peers: readonly string[] = []
  let events: RunnerEvents = { onAttached() {}, onFrame() {}, onLost() {}, onIgnored() {} }

  const attach = (connection: Connection): void => {
    const { runnerId: id, slots, tiers, languages } = connection.info
    // The same runner again: its old socket is dead or about to be. The new one counts.
    byId.get(id)?.connection.close(CLOSE_CODES.replaced, 'replaced by a newer socket')
    const runner = attached(connection)
    byId.set(id, runner)
    logger.info({ runnerId: id, slots, tiers, languages }, 'runner attached')
    events.onAttached(runner)
  }
  const find = (connection: Connection): Runner | undefined => {
    const runner = byId.get(connection.info.runnerId)
    return runner?.connection === connection ? runner : undefined
  }

  return {
    bind(bound) {
      events = bound
    },
    accept(socket) {
      acceptRunner(
        socket,
        clock,
        { ...options, peers: () => peers },
        {
          onHello: attach,
          onFrame(connection, frame) {
            const runner = find(connection)
            if (runner === undefined) return
            if (frame.type === 'draining') runner.draining = true
            else if (frame.type === 'load') runner.running = frame.running
            else events.onFrame(runner, frame)
          },
          onIgnored: (what) => events.onIgnored(what),
          onGone(connection, reason) {
            const runner = find(connection)
            if (runner === undefined) return
            byId.delete(runner.id)
            logger.info({ runnerId: runner.id, reason, leases: runner.leases.size }, 'runner gone')
            events.onLost(runner, reason)
          },
        },
      )
    },
    runners: () => byId.values(),
    size: () => byId.size,
    views: () => [...byId.values()].map(viewOf),
    retire(id) {
      const runner = byId.get(id)
      if (runner === undefined) return null
      // From now on, and not from its answer on.
      runner.draining = true
      runner.connection.send({ type: 'retire' })
      return viewOf(runner)
    },
    offers(tier, language) {
      for (const { connection } of byId.values()) {
        if (offersOf(connection.info, tier, language)) return true
      }
      return false
    },
    setPeers(urls) {
      peers = urls
      for (const { connection } of byId.values()) connection.send({ type: 'peers', peers: [...urls] })
    },
    drain() {
      for (const { connection } of byId.values()) connection.send({ type: 'drain' })
    },
    close(code, reason) {
      for (const { connection } of byId.values()) connection.close(code, reason)
    },
  }
}
