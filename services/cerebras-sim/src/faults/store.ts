import type { Fault } from './spec.ts'

/** The faults set for coming requests, in the order they were set. */
export type FaultStore = {
  readonly add: (faults: readonly Fault[]) => void
  readonly clear: () => void
  /** What is still to come: counts are those left. */
  readonly list: () => readonly Fault[]
  /** The first fault that fits a request of the organisation for the model, used up by one. */
  readonly take: (model: string, organisation: string) => Fault | undefined
}

export function createFaultStore(initial: readonly Fault[]): FaultStore {
  let pending: readonly Fault[] = [...initial]

  const useUp = (used: Fault): void => {
    pending = pending.flatMap((fault) => {
      if (fault !== used || fault.count === undefined) return [fault]
      return fault.count > 1 ? [{ ...fault, count: fault.count - 1 }] : []
    })
  }

  return {
    add: (faults) => {
      pending = [...pending, ...faults]
    },
    clear: () => {
      pending = []
    },
    list: () => pending,
    take: (model, organisation) => {
      if (pending.length === 0) return undefined
      const found = pending.find(
        (fault) => (fault.model ?? model) === model && (fault.organisation ?? organisation) === organisation,
      )
      if (found !== undefined) useUp(found)
      return found
    },
  }
}
