import type { Local } from './local.ts'
import type { Payer } from './payer.ts'
import type { Settle, Settlements } from './settlements.ts'
import type { Ask } from './types.ts'

/** What was given out of this replica's share and has not ended. */
type Given = { readonly payer: Payer; readonly ask: Ask; adopted: Settle | null; over: boolean }

export type Shares = {
  /** Reserves within this replica's share; @throws LoopgateError as Local.reserve does. */
  readonly reserve: (payer: Payer, id: string, ask: Ask) => Settle
  /**
   * Redis answers again: what has ended is entered there, and what is under way is held there from now on,
   * or the next caller would find its room free. At once where there is nothing to hand back.
   */
  readonly handBack: () => Promise<void> | null
}

/** Reservations while Redis is away. */
export function createShares(deps: {
  readonly local: Local
  readonly settlements: Settlements
  /** Reserves in Redis whatever the limits say; null if Redis does not answer. */
  readonly force: (payer: Payer, id: string, ask: Ask) => Promise<Settle | null>
}): Shares {
  const { local, settlements, force } = deps
  const given = new Map<string, Given>()
  let some = false
  let returning: Promise<void> | null = null

  return {
    reserve(payer, id, ask) {
      const held = local.reserve(payer, id, ask)
      const owe = settlements.unlimited(payer)
      const share: Given = { payer, ask, adopted: null, over: false }
      given.set(id, share)
      some = true
      return (used) => {
        share.over = true
        given.delete(id)
        held.settle(used)
        ;(share.adopted ?? owe)(used)
      }
    },
    handBack() {
      if (!some) return null
      returning ??= handBack().finally(() => (returning = null))
      return returning
    },
  }

  async function handBack(): Promise<void> {
    const entered = await settlements.flush()
    await Promise.all([...given].map(([id, share]) => adopt(id, share)))
    if (!entered || given.size > 0) return
    some = false
    local.clear()
  }

  async function adopt(id: string, share: Given): Promise<void> {
    const settle = await force(share.payer, id, share.ask)
    if (settle === null) return
    given.delete(id)
    // It has ended meanwhile, and has been counted by its end.
    if (share.over) settle({ tokens: 0, microUsd: 0 })
    else share.adopted = settle
  }
}
