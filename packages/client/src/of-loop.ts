import { LOOP_HEADER, ON_BEHALF_HEADER } from '@loopgate/contracts'
import type { ClientOptions } from './types.ts'

/** Headers of a call that belongs to a loop; none without one. */
export type OfLoop = (loopId: string | undefined) => Readonly<Record<string, string>>

/** A worker's calls are made in the name of whoever created the loop; others only say what they belong to. */
export function loopHeaders({ onBehalf = false }: Pick<ClientOptions, 'onBehalf'>): OfLoop {
  return (loopId) => {
    if (loopId === undefined) return {}
    return { [LOOP_HEADER]: loopId, ...(onBehalf && { [ON_BEHALF_HEADER]: loopId }) }
  }
}
