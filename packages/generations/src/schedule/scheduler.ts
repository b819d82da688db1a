import type { Clock, Registry } from '@loopgate/service-kit'
import type { Connection } from '../cache/connection.ts'
import { createBank } from './buckets/bank.ts'
import { Bucket } from './buckets/bucket.ts'
import type { Limits } from './buckets/windows.ts'
import { Desk } from './desk.ts'
import { createEstimates, type Estimates } from './estimate.ts'
import { createSchedulerMetrics, type SchedulerMetrics } from './metrics.ts'
import type { Asking } from './types.ts'

/** An organisation with an account at the provider, as far as scheduling goes. */
type SchedulerOrganisation = {
  readonly name: string
  /** Whether it may use a model. */
  readonly serves: (model: string) => boolean
  /** What is known of its limits for a model before any reply. */
  readonly limits: (model: string) => Limits
}

export type SchedulerDeps = {
  readonly clock: Clock
  readonly registry: Registry
  /** Null without Redis. */
  readonly connection: Connection | null
  readonly organisations: readonly SchedulerOrganisation[]
  readonly usable: (organisation: string) => boolean
  /** How many replicas live, this one included. */
  readonly replicas: () => number
}

export type SchedulerOptions = {
  readonly prefix: string
  readonly replica: string
  /** Those who may wait, and what their bodies may take. */
  readonly maxRequests: number
  readonly maxBytes: number
}

/** Lets generations through to the upstream when there is room for them, in an order that is fair. */
export type Scheduler = {
  /** Grants, queues or refuses; the asking one hears of it, possibly before this returns the wait to expect, in ms. */
  readonly ask: (asking: Asking) => number
  /** For one whose call has failed before anybody has had anything of it; false if it is too late. */
  readonly again: (asking: Asking) => boolean
  /** One that waits no more; nothing if it does not wait. */
  readonly withdraw: (asking: Asking) => void
  /** Whether limits are known for a model, so that it matters what is reserved. */
  readonly limited: (model: string) => boolean
  readonly estimates: Estimates
  readonly metrics: SchedulerMetrics
  readonly close: () => void
}

/** A replica that is silent for so long has spent what it held, as far as the others know. */
const LEASE_MS = 10_000
/** Models that are kept in mind though nothing is known of them; callers may invent any number. */
const MAX_DESKS = 200

export function createScheduler(deps: SchedulerDeps, options: SchedulerOptions): Scheduler {
  const { clock, connection, organisations } = deps
  const { prefix, replica, maxRequests, maxBytes } = options
  const bank = connection === null ? null : createBank({ connection }, { prefix, replica, leaseMs: LEASE_MS })
  const desks = new Map<string, Desk>()
  const estimates = createEstimates()
  const metrics = createSchedulerMetrics(deps.registry, () => desks.values())

  return {
    ask: (asking) => deskOf(asking.model).ask(asking),
    again: (asking) => deskOf(asking.model).again(asking),
    withdraw: (asking) => desks.get(asking.model)?.withdraw(asking),
    limited: (model) => desks.get(model)?.limited ?? deskOf(model).limited,
    estimates,
    metrics,
    close() {
      for (const desk of desks.values()) desk.close()
    },
  }

  function deskOf(model: string): Desk {
    const known = desks.get(model)
    if (known !== undefined) return known
    if (desks.size >= MAX_DESKS) tidy()
    const made = new Desk({ ...deps, metrics, estimates }, { maxRequests, maxBytes }, (desk) =>
      having(model).map(
        ({ name, limits }) =>
          new Bucket(
            { clock, bank, replicas: deps.replicas, changed: () => desk.pump(), waiters: () => desk.waiters() },
            { organisation: name, model, limits: limits(model) },
          ),
      ),
    )
    desks.set(model, made)
    return made
  }

  /** Where none is known to have it, any may turn out to. */
  function having(model: string): readonly SchedulerOrganisation[] {
    const found = organisations.filter(({ serves }) => serves(model))
    return found.length > 0 ? found : organisations
  }

  function tidy(): void {
    for (const [model, desk] of desks) {
      if (!desk.idle) continue
      desk.close()
      desks.delete(model)
    }
  }
}
