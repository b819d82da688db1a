import type { Clock } from '@loopgate/service-kit'

/** At most this often: the gateways choose by it, and a choice by a number this old is still a good one. */
const EVERY_MS = 100

/** Calls `tell` soon after a change, and after any number of changes once in EVERY_MS. */
export function createLoadReport(clock: Clock, tell: () => void): { readonly changed: () => void } {
  let planned = false
  return {
    changed() {
      if (planned) return
      planned = true
      clock.after(EVERY_MS, () => {
        planned = false
        tell()
      })
    },
  }
}
