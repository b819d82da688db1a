import { PassingMap } from '@loopgate/service-kit'
import type { Runner } from '../runners/hub.ts'
import { createFairQueue, type FairQueue } from './fair-queue.ts'
import { needOf, pickRunner } from './pick-runner.ts'
import type { Task } from './task.ts'

/** Requests wait in memory: past this many bytes no more may wait, however few they are. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024

export type WaitingRoom = {
  readonly size: () => number
  /** Whether more wait than may; the newcomer has to go then. */
  readonly isOverfull: () => boolean
  readonly enter: (task: Task) => void
  /** Back to the head of its tenant's line, after its runner was busy or lost. */
  readonly goBack: (task: Task) => void
  readonly leave: (task: Task) => void
  readonly everyone: () => Task[]
  /** Gives waiting tasks to runners with room, tenants and kinds of work in turn, until no more fit. */
  readonly assign: (runners: Iterable<Runner>, now: number, give: (task: Task, runner: Runner) => void) => void
}

/**
 * One fair queue for each kind of work (language, tier, and runners that failed it), so that none
 * blocks another.
 */
export function createWaitingRoom(maxTasks: number): WaitingRoom {
  const kinds = new Map<string, FairQueue<Task>>()
  const waiting = new PassingMap<string, Task>()
  let bytes = 0

  const kindOf = ({ order: { request }, failedOn }: Task): string =>
    [request.language, request.isolation, ...failedOn].join('/')
  const queueOf = (task: Task): FairQueue<Task> => {
    const kind = kindOf(task)
    const queue = kinds.get(kind) ?? createFairQueue<Task>()
    kinds.set(kind, queue)
    return queue
  }
  const admit = (task: Task): void => {
    waiting.set(task.id, task)
    bytes += task.order.bytes
  }
  const dismiss = (task: Task): void => {
    if (waiting.delete(task.id)) bytes -= task.order.bytes
    task.ticket = null
    const kind = kindOf(task)
    // Names of runners come and go: no queue stays behind for them.
    if (task.failedOn.size > 0 && kinds.get(kind)?.size() === 0) kinds.delete(kind)
  }

  return {
    size: () => waiting.size,
    isOverfull: () => waiting.size > maxTasks || bytes > MAX_WAITING_BYTES,
    enter(task) {
      task.ticket = queueOf(task).push(task.order.tenant, task)
      admit(task)
    },
    goBack(task) {
      task.ticket = queueOf(task).putBack(task.order.tenant, task)
      admit(task)
    },
    leave(task) {
      if (task.ticket !== null) queueOf(task).remove(task.ticket)
      dismiss(task)
    },
    everyone: () => [...waiting.values()],
    assign(runners, now, give) {
      if (waiting.size === 0) return
      const all = [...runners]
      const open = new Map(kinds)
      while (open.size > 0) {
        for (const [kind, queue] of open) {
          const task = queue.peek()
          const runner = task && pickRunner(all, needOf(task), now)
          if (!runner) {
            open.delete(kind)
            continue
          }
          queue.take()
          dismiss(task)
          give(task, runner)
          // Whoever got a slot goes last when the next one falls free.
          kinds.delete(kind)
          if (queue.size() > 0 || task.failedOn.size === 0) kinds.set(kind, queue)
        }
      }
    },
  }
}
