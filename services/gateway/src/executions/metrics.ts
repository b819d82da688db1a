import { outcomeSchema, verdictSchema, type ExecutionResult } from '@loopgate/contracts'
import { Counter, Histogram, observeGauge, SECONDS_BUCKETS, type ErrorCode, type Registry } from '@loopgate/service-kit'
import type { Ignored } from '@loopgate/runner-wire'
import type { RunnerHub } from '../runners/hub.ts'

/**
 * Why an execution is offered to a runner again: the one before was busy, lost, too late, could never
 * run it, or failed by a fault of its own.
 */
export type Reoffer = 'busy' | 'lost' | 'lapsed' | 'refused' | 'fault'
const REOFFERS: readonly Reoffer[] = ['busy', 'lost', 'lapsed', 'refused', 'fault']

export type ExecutionMetrics = {
  readonly settled: (result: ExecutionResult) => void
  readonly failed: (code: ErrorCode) => void
  readonly queued: (ms: number) => void
  readonly offeredAgain: (reason: Reoffer) => void
  readonly lateResult: () => void
  readonly ignored: (what: Ignored) => void
}

/** The metrics of executions and runners of this replica. */
export function createExecutionMetrics(registry: Registry, hub: RunnerHub, waiting: () => number): ExecutionMetrics {
  const registers = [registry]
  const executions = new Counter({
    name: 'loopgate_executions_total',
    help: 'Executions that ended with a result, by outcome',
    labelNames: ['outcome'],
    registers,
  })
  const checks = new Counter({
    name: 'loopgate_execution_checks_total',
    help: 'Verdicts of checks',
    labelNames: ['verdict'],
    registers,
  })
  const errors = new Counter({
    name: 'loopgate_execution_errors_total',
    help: 'Executions that ended without a result, by error code',
    labelNames: ['code'],
    registers,
  })
  const again = new Counter({
    name: 'loopgate_execution_reoffers_total',
    help: 'Executions offered to a runner again, because the one before was busy, lost, too late, unable or at fault',
    labelNames: ['reason'],
    registers,
  })
  const late = new Counter({
    name: 'loopgate_execution_late_results_total',
    help: 'Results under a lease that is no longer valid; dropped',
    registers,
  })
  const ignored = new Counter({
    name: 'loopgate_runner_frames_ignored_total',
    help: 'Frames of runners of a newer protocol that were not known here, and frames with a field that was not',
    labelNames: ['what'],
    registers,
  })
  const wall = new Histogram({
    name: 'loopgate_execution_seconds',
    help: 'Wall time of an execution as its runner measured it',
    buckets: SECONDS_BUCKETS,
    registers,
  })
  const queue = new Histogram({
    name: 'loopgate_execution_queue_seconds',
    help: 'Wait of an execution until a runner accepted it',
    buckets: SECONDS_BUCKETS,
    registers,
  })
  observe(registry, hub, waiting)
  for (const outcome of outcomeSchema.options) executions.inc({ outcome }, 0)
  for (const verdict of verdictSchema.options) checks.inc({ verdict }, 0)
  for (const what of ['frame', 'field']) ignored.inc({ what }, 0)
  for (const reason of REOFFERS) again.inc({ reason }, 0)

  return {
    settled(result) {
      executions.inc({ outcome: result.outcome })
      wall.observe(result.wallMs / 1000)
      for (const check of result.checks) checks.inc({ verdict: check.verdict })
    },
    failed: (code) => errors.inc({ code }),
    queued: (ms) => queue.observe(ms / 1000),
    offeredAgain: (reason) => again.inc({ reason }),
    lateResult: () => late.inc(),
    ignored: (what) => ignored.inc({ what }),
  }
}

function observe(registry: Registry, hub: RunnerHub, waiting: () => number): void {
  observeGauge(registry, { name: 'loopgate_executions_waiting', help: 'Executions that wait for a slot' }, (gauge) =>
    gauge.set(waiting()),
  )
  observeGauge(registry, { name: 'loopgate_runners', help: 'Attached runners', labelNames: ['state'] }, (gauge) => {
    const draining = [...hub.runners()].filter((runner) => runner.draining).length
    gauge.set({ state: 'ready' }, hub.size() - draining)
    gauge.set({ state: 'draining' }, draining)
  })
  const slots = {
    name: 'loopgate_runner_slots',
    help: 'Slots of the attached runners; busy counts what this replica gave them',
    labelNames: ['state'],
  }
  observeGauge(registry, slots, (gauge) => {
    const runners = [...hub.runners()]
    const busy = runners.reduce((sum, runner) => sum + runner.leases.size, 0)
    const all = runners.reduce((sum, runner) => sum + runner.connection.info.slots, 0)
    gauge.set({ state: 'busy' }, busy)
    gauge.set({ state: 'free' }, Math.max(0, all - busy))
  })
}
