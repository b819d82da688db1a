import { PassingMap } from '@loopgate/service-kit'
import type { Runner } from '../runners/hub.ts'
import type { Lease, Task } from './task.ts'

/** The leases of this replica: those that hold a slot, and lost ones whose late result is still good. */
export type LeaseBook = {
  readonly size: () => number
  readonly enter: (lease: Lease) => void
  /** The lease, if it was given to this runner, over whatever socket. */
  readonly of: (id: string, runner: Runner) => Lease | null
  readonly ofRunner: (runner: Runner) => Lease[]
  /** Its slot is free. The lease stays good for a late result. */
  readonly release: (lease: Lease) => void
  /** A result under it will not be taken any more. */
  readonly forget: (lease: Lease) => void
  /** The task has ended: a lease that holds a slot stays until the runner answers, a lost one goes. */
  readonly settle: (task: Task) => void
  /** Whether a runner of this name was cut off and may bring results. */
  readonly awaits: (runnerId: string) => boolean
}

export function createLeaseBook(): LeaseBook {
  const leases = new PassingMap<string, Lease>()
  const forget = ({ id }: Lease): void => {
    leases.delete(id)
  }
  return {
    size: () => leases.size,
    enter(lease) {
      leases.set(lease.id, lease)
      lease.runner.leases.add(lease.id)
      lease.runner.running += 1
    },
    of(id, runner) {
      const lease = leases.get(id)
      return lease?.runner.id === runner.id ? lease : null
    },
    ofRunner: (runner) => [...runner.leases].flatMap((id) => leases.get(id) ?? []),
    release(lease) {
      lease.stopTimer()
      if (lease.runner.leases.delete(lease.id)) lease.runner.running = Math.max(0, lease.runner.running - 1)
    },
    forget,
    settle({ lease }) {
      if (lease !== null && !lease.runner.leases.has(lease.id)) forget(lease)
    },
    awaits: (runnerId) => [...leases.values()].some(({ runner }) => runner.id === runnerId),
  }
}

/** Tells the runner to stop, if the lease still holds its slot. */
export function cancel({ id, runner }: Lease): void {
  if (runner.leases.has(id)) runner.connection.send({ type: 'cancel', leaseId: id })
}
