import { CLOSE_CODES, type ExecutionResult } from '@loopgate/contracts'
import { fault, newId, type Clock, type ErrorCode, type FaultOptions, type Registry } from '@loopgate/service-kit'
import type { LeaseFrame, Runner, RunnerEvents, RunnerHub } from '../runners/hub.ts'
import { cancel, createLeaseBook } from './lease-book.ts'
import { backOff, leaseMs } from './lease-times.ts'
import { createExecutionMetrics, type Reoffer } from './metrics.ts'
import { canRun, needOf, noteServed, whatIsOffered } from './pick-runner.ts'
import type { Lease, Order, Task } from './task.ts'
import { createWaitingRoom } from './waiting-room.ts'

export type Executions = {
  /**
   * Runs one execution on an attached runner. An execution is a pure function: if its runner is lost,
   * or fails by its own fault, it runs once more on another.
   * @throws LG_ISOLATION_UNAVAILABLE, LG_EXECUTION_QUEUE_FULL, LG_DRAINING at once;
   *   LG_NO_RUNNER, LG_EXECUTION_QUEUE_TIMEOUT at the deadline; LG_RUNNER_LOST after the second
   *   loss; LG_CLIENT_CLOSED on abort
   */
  readonly run: (order: Order) => Promise<ExecutionResult>
  /** Lets what runs end, refuses the rest with LG_DRAINING, and closes the runners' sockets. */
  readonly drain: () => void
}

export type ExecutionOptions = {
  /** Longest wait for a runner to accept. */
  readonly queueMs: number
  /** Executions that may wait. */
  readonly queueMax: number
  /** What runners call a tenant. */
  readonly nameTenant: (tenant: string) => string
}

/** Runners that may fail an execution before it is given up: the second loss points at the code, not at luck. */
const MAX_LOSSES = 2

/** How long a runner that comes back has for the results that it kept. */
const SETTLING_MS = 50

/** Hands executions to the runners of the hub and waits for their results. One per process. */
export function createExecutions(
  {
    hub,
    clock,
    registry,
  }: { hub: RunnerHub & { bind: (events: RunnerEvents) => void }; clock: Clock; registry: Registry },
  options: ExecutionOptions,
): Executions {
  const room = createWaitingRoom(options.queueMax)
  const leases = createLeaseBook()
  const metrics = createExecutionMetrics(registry, hub, room.size)
  let draining = false

  /** From now on; the caller may be less patient than the operator. */
  const patience = ({ waitMs }: Order, expired: () => void): (() => void) =>
    clock.after(Math.min(options.queueMs, waitMs ?? options.queueMs), expired)

  const settle = (task: Task): void => {
    task.settled = true
    task.stopDeadline()
    room.leave(task)
    leases.settle(task)
  }
  const fail = (task: Task, code: ErrorCode, issues: FaultOptions['issues'] = []): void => {
    settle(task)
    metrics.failed(code)
    task.reject(fault(code, { issues }))
  }

  /** Why the task found no runner, once its deadline has passed. */
  const expire = (task: Task): void => {
    if (task.lease !== null) cancel(task.lease)
    const { isolation, language } = task.order.request
    if (hub.offers(isolation, language)) return fail(task, 'LG_EXECUTION_QUEUE_TIMEOUT')
    fail(task, 'LG_NO_RUNNER', [{ path: 'language', expected: whatIsOffered(hub.runners(), { language, isolation }) }])
  }

  const offer = (task: Task, runner: Runner): void => {
    if (task.lease !== null) leases.forget(task.lease)
    const { request, watch } = task.order
    const deadlineMs = leaseMs(request)
    const lease: Lease = { id: newId('lease'), task, runner, accepted: false, stopTimer: () => {} }
    lease.stopTimer = clock.after(deadlineMs, () => {
      cancel(lease)
      lose(lease, 'lapsed')
      pump()
    })
    task.lease = lease
    leases.enter(lease)
    noteServed(runner, needOf(task))
    runner.connection.send({
      type: 'execute',
      leaseId: lease.id,
      executionId: task.id,
      deadlineMs,
      output: watch?.onOutput !== undefined,
      tenant: options.nameTenant(task.order.tenant),
      request,
    })
  }

  /** The runner failed the task by its own fault: another gets it, or it fails. */
  const lose = (lease: Lease, reason: Exclude<Reoffer, 'busy'>): void => {
    leases.release(lease)
    const { task, runner } = lease
    if (task.settled) return leases.forget(lease)
    task.losses += 1
    task.failedOn.add(runner.id)
    if (task.losses >= MAX_LOSSES) return fail(task, reason === 'refused' ? 'LG_NO_RUNNER' : 'LG_RUNNER_LOST')
    offerAgain(lease, reason)
  }

  const offerAgain = (lease: Lease, reason: Reoffer): void => {
    const { task } = lease
    metrics.offeredAgain(reason)
    if (lease.accepted) {
      task.waitingSince = clock.now()
      task.stopDeadline = patience(task.order, () => expire(task))
    }
    room.goBack(task)
  }

  const pump = (): void => {
    room.assign(hub.runners(), clock.now(), offer)
    if (!draining) return
    for (const task of room.everyone()) fail(task, 'LG_DRAINING')
    if (leases.size() === 0) hub.close(CLOSE_CODES.draining, 'the gateway is shutting down')
  }

  const pause = (runner: Runner, ms: number): void => {
    runner.busyUntil = clock.now() + ms
    clock.after(ms, () => {
      // A timer may fire a little before its time by the clock: the pause is over all the same.
      runner.busyUntil = 0
      pump()
    })
  }

  const onBusy = (lease: Lease): void => {
    leases.release(lease)
    leases.forget(lease)
    const pauseMs = backOff(lease.runner, clock.now())
    if (pauseMs > 0) pause(lease.runner, pauseMs)
    if (lease.task.settled) return
    lease.task.lease = null
    offerAgain(lease, 'busy')
  }
  const onAccepted = (lease: Lease): void => {
    const { task, runner } = lease
    if (lease.accepted || task.settled) return
    lease.accepted = true
    runner.backoffMs = 0
    task.stopDeadline()
    task.queueMs += clock.now() - task.waitingSince
    metrics.queued(task.queueMs)
    task.order.watch?.onStart({ id: task.id, runnerId: runner.id, attempt: task.losses + 1 })
  }
  /** `runner` is the socket of the moment, which after a cut is not that of the lease. */
  const onResult = (lease: Lease, runner: Runner, result: ExecutionResult): void => {
    onAccepted(lease)
    leases.release(lease)
    // A slot has become free whatever it said before. Not so for a result of before a cut: more may follow.
    if (lease.runner === runner) runner.busyUntil = 0
    const { task } = lease
    if (task.settled) return leases.forget(lease)
    if (result.outcome === 'internal_error' && canRunElsewhere(task, runner)) return lose(lease, 'fault')
    leases.forget(lease)
    settle(task)
    // Identity and waiting time are ours to say, not the runner's.
    const settled = { ...result, id: task.id, runnerId: runner.id, queueMs: task.queueMs }
    metrics.settled(settled)
    task.resolve(settled)
  }
  const canRunElsewhere = (task: Task, runner: Runner): boolean =>
    task.losses + 1 < MAX_LOSSES &&
    [...hub.runners()].some((other) => other.id !== runner.id && !other.draining && canRun(other, task.order.request))

  /**
   * A runner that was cut off brings the results of meanwhile right after its greeting. Until then
   * it gets nothing, or it would run again what it has already done.
   */
  const onAttached = (runner: Runner): void => {
    if (leases.awaits(runner.id)) pause(runner, SETTLING_MS)
    pump()
  }

  const onFrame = (runner: Runner, frame: LeaseFrame): void => {
    const lease = leases.of(frame.leaseId, runner)
    if (frame.type === 'result') {
      runner.connection.send({ type: 'ack', leaseId: frame.leaseId })
      if (lease === null) metrics.lateResult()
      else onResult(lease, runner, frame.result)
    } else if (lease !== null && lease.runner === runner) {
      if (frame.type === 'busy') onBusy(lease)
      else if (frame.type === 'refused') lose(lease, 'refused')
      else if (frame.type === 'accepted') onAccepted(lease)
      else if (lease.accepted && !lease.task.settled) return lease.task.order.watch?.onOutput?.(frame)
    }
    pump()
  }

  hub.bind({
    onAttached,
    onFrame,
    onIgnored: metrics.ignored,
    onLost(runner) {
      for (const lease of leases.ofRunner(runner)) lose(lease, 'lost')
      pump()
    },
  })

  return {
    run(order) {
      const { request, signal } = order
      const refused = ((): ErrorCode | null => {
        if (signal.aborted) return 'LG_CLIENT_CLOSED'
        if (draining) return 'LG_DRAINING'
        if (hub.size() > 0 && !hub.offers(request.isolation)) return 'LG_ISOLATION_UNAVAILABLE'
        return null
      })()
      if (refused !== null) {
        metrics.failed(refused)
        return Promise.reject(fault(refused))
      }
      const { promise, resolve, reject } = Promise.withResolvers<ExecutionResult>()
      const task: Task = {
        id: order.id ?? newId('exec'),
        order,
        waitingSince: clock.now(),
        ticket: null,
        lease: null,
        failedOn: new Set(),
        losses: 0,
        queueMs: 0,
        settled: false,
        stopDeadline: patience(order, () => expire(task)),
        resolve,
        reject,
      }
      signal.addEventListener(
        'abort',
        () => {
          if (task.settled) return
          if (task.lease !== null) cancel(task.lease)
          fail(task, 'LG_CLIENT_CLOSED')
        },
        { once: true },
      )
      room.enter(task)
      pump()
      if (task.ticket !== null && room.isOverfull()) fail(task, 'LG_EXECUTION_QUEUE_FULL')
      return promise
    },
    drain() {
      draining = true
      hub.drain()
      pump()
    },
  }
}
