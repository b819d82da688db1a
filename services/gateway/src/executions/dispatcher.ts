import { CLOSE_CODES, type ExecutionRequest, type ExecutionResult } from '@loopgate/contracts'
import { fault, newId, type Clock, type ErrorCode, type Registry } from '@loopgate/service-kit'
import type { Runner, RunnerEvents, RunnerHub } from '../runners/hub.ts'
import { backOff, leaseMs } from './lease-times.ts'
import { createExecutionMetrics } from './metrics.ts'
import type { Lease, Task } from './task.ts'
import { createWaitingRoom } from './waiting-room.ts'

export type Executions = {
  /**
   * Runs one execution on an attached runner. An execution is a pure function: if its runner is
   * lost it runs once more on another. Aborting the signal takes it out of the queue or kills it.
   * @param bytes size of the request, for the bound on waiting memory
   * @throws LG_ISOLATION_UNAVAILABLE, LG_EXECUTION_QUEUE_FULL, LG_DRAINING at once;
   *   LG_NO_RUNNER, LG_EXECUTION_QUEUE_TIMEOUT at the deadline; LG_RUNNER_LOST after the second
   *   loss; LG_CLIENT_CLOSED on abort
   */
  readonly run: (
    tenant: string,
    request: ExecutionRequest,
    bytes: number,
    signal: AbortSignal,
  ) => Promise<ExecutionResult>
  /** Lets what runs end, refuses the rest with LG_DRAINING, and closes the runners' sockets. */
  readonly drain: () => void
}

export type ExecutionOptions = {
  /** Longest wait for a runner to accept. */
  readonly queueMs: number
  /** Executions that may wait. */
  readonly queueMax: number
}

/** Runners an execution may lose before it is given up: the second loss points at the code, not at luck. */
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
  const leases = new Map<string, Lease>()
  const metrics = createExecutionMetrics(registry, hub, room.size)
  let draining = false

  const settle = (task: Task): void => {
    task.settled = true
    task.stopDeadline()
    room.leave(task)
    // A lost lease was kept for a late result; one that holds a slot stays until the runner answers.
    if (task.lease !== null && !task.lease.runner.leases.has(task.lease.id)) leases.delete(task.lease.id)
  }
  const fail = (task: Task, code: ErrorCode): void => {
    settle(task)
    metrics.failed(code)
    task.reject(fault(code))
  }
  const release = (lease: Lease): void => {
    lease.stopTimer()
    lease.runner.leases.delete(lease.id)
  }
  const cancel = (lease: Lease): void => {
    if (lease.runner.leases.has(lease.id)) lease.runner.connection.send({ type: 'cancel', leaseId: lease.id })
  }

  /** Why the task found no runner, once its deadline has passed. */
  const expire = (task: Task): void => {
    if (task.lease !== null) cancel(task.lease)
    const possible = hub.offers(task.request.isolation, task.request.language)
    fail(task, possible ? 'LG_EXECUTION_QUEUE_TIMEOUT' : 'LG_NO_RUNNER')
  }

  const offer = (task: Task, runner: Runner): void => {
    if (task.lease !== null) leases.delete(task.lease.id)
    const deadlineMs = leaseMs(task.request)
    const lease: Lease = { id: newId('lease'), task, runner, accepted: false, stopTimer: () => {} }
    lease.stopTimer = clock.after(deadlineMs, () => {
      cancel(lease)
      lose(lease, 'lapsed')
      pump()
    })
    task.lease = lease
    leases.set(lease.id, lease)
    runner.leases.add(lease.id)
    runner.connection.send({
      type: 'execute',
      leaseId: lease.id,
      executionId: task.id,
      deadlineMs,
      request: task.request,
    })
  }

  /** The lease is worth nothing any more: the task goes to another runner, or fails. */
  const lose = (lease: Lease, reason: 'lost' | 'lapsed'): void => {
    release(lease)
    const { task } = lease
    if (task.settled) {
      leases.delete(lease.id)
      return
    }
    task.losses += 1
    if (task.losses >= MAX_LOSSES) return fail(task, 'LG_RUNNER_LOST')
    offerAgain(lease, reason)
  }

  const offerAgain = (lease: Lease, reason: 'busy' | 'lost' | 'lapsed'): void => {
    const { task } = lease
    metrics.offeredAgain(reason)
    if (lease.accepted) {
      task.waitingSince = clock.now()
      task.stopDeadline = clock.after(options.queueMs, () => expire(task))
    }
    room.goBack(task)
  }

  const pump = (): void => {
    room.assign(hub.runners(), clock.now(), offer)
    if (!draining) return
    for (const task of room.everyone()) fail(task, 'LG_DRAINING')
    if (leases.size === 0) hub.close(CLOSE_CODES.draining, 'the gateway is shutting down')
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
    release(lease)
    leases.delete(lease.id)
    const pauseMs = backOff(lease.runner, clock.now())
    if (pauseMs > 0) pause(lease.runner, pauseMs)
    if (lease.task.settled) return
    lease.task.lease = null
    offerAgain(lease, 'busy')
  }
  const onAccepted = (lease: Lease): void => {
    const { task } = lease
    if (lease.accepted || task.settled) return
    lease.accepted = true
    lease.runner.backoffMs = 0
    task.stopDeadline()
    task.queueMs += clock.now() - task.waitingSince
    metrics.queued(task.queueMs)
  }
  const onResult = (lease: Lease, runner: Runner, result: ExecutionResult): void => {
    onAccepted(lease)
    release(lease)
    leases.delete(lease.id)
    // A slot has become free whatever it said before.
    runner.busyUntil = 0
    const { task } = lease
    if (task.settled) return
    settle(task)
    // Identity and waiting time are ours to say, not the runner's.
    const settled = { ...result, id: task.id, runnerId: runner.id, queueMs: task.queueMs }
    metrics.settled(settled)
    task.resolve(settled)
  }

  /**
   * A runner that was cut off brings the results of meanwhile right after its greeting. Until then
   * it gets nothing, or it would run again what it has already done.
   */
  const onAttached = (runner: Runner): void => {
    const mayBringResults = [...leases.values()].some((lease) => lease.runner.id === runner.id)
    if (mayBringResults) pause(runner, SETTLING_MS)
    pump()
  }

  hub.bind({
    onAttached,
    onFrame(runner, frame) {
      const lease = leases.get(frame.leaseId)
      const valid = lease !== undefined && lease.runner.id === runner.id
      if (frame.type === 'result') {
        runner.connection.send({ type: 'ack', leaseId: frame.leaseId })
        if (valid) onResult(lease, runner, frame.result)
        else metrics.lateResult()
      } else if (valid && lease.runner === runner) {
        if (frame.type === 'busy') onBusy(lease)
        else onAccepted(lease)
      }
      pump()
    },
    onLost(runner) {
      for (const id of runner.leases) {
        const lease = leases.get(id)
        if (lease !== undefined) lose(lease, 'lost')
      }
      pump()
    },
  })

  return {
    run(tenant, request, bytes, signal) {
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
        id: newId('exec'),
        tenant,
        request,
        bytes,
        waitingSince: clock.now(),
        ticket: null,
        lease: null,
        losses: 0,
        queueMs: 0,
        settled: false,
        stopDeadline: clock.after(options.queueMs, () => expire(task)),
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
