import type { SpendLimits } from '@loopgate/contracts'
import { fault } from '@loopgate/service-kit'
import { LRUCache } from 'lru-cache'
import { Book } from './book.ts'
import type { BookKeys } from './keys.ts'
import { booksOf, type Payer } from './payer.ts'
import { refused } from './refuse.ts'
import type { Amount, Ask } from './types.ts'

/** Books that are kept: of so many keys and tenants at once. */
const BOOKS = 10_000

/** Used today and ever, as Redis last told. */
type Known = { readonly day: Amount; readonly total: Amount }

export type Local = {
  /** What Redis says of a book. */
  readonly learn: (keys: BookKeys, known: Known) => void
  /**
   * Reserves within this replica's share.
   * @throws LoopgateError LG_LIMIT_REACHED or LG_BUDGET_SPENT, and LG_STORE_UNAVAILABLE for a budget of
   *   which it is not known what is left
   */
  readonly reserve: (payer: Payer, id: string, ask: Ask) => { settle: (used: Amount) => void }
  /** Redis is back: what was counted here has been entered there. */
  readonly clear: () => void
}

/**
 * Limits while Redis is away: this replica allows its share of each, an equal part of what was left when
 * Redis last told. Of a minute and of what is at once it starts from nothing, so that in the minute in
 * which Redis goes, twice a limit may pass. What never lapses cannot be lost sight of: a budget of which
 * nothing is known allows nothing.
 */
export function createLocal(
  { wallNow, replicas }: { wallNow: () => number; replicas: () => number },
  { prefix }: { prefix: string },
): Local {
  const books = new LRUCache<string, Book>({ max: BOOKS })
  const known = new LRUCache<string, Known>({ max: BOOKS })

  return {
    learn: ([name], told) => void known.set(name, told),
    reserve(payer, id, ask) {
      const now = wallNow()
      const pages = booksOf(prefix, payer).map(([[name], limits]) => ({
        book: bookOf(name),
        share: shareOf(name, limits),
      }))
      for (const [index, { book, share }] of pages.entries()) {
        const refusal = book.refusal(share, ask, now)
        if (refusal !== null) throw refused(index === 0 ? 'key' : 'tenant', payer, refusal)
      }
      // It never lapses: whoever holds it is this process.
      for (const { book } of pages) book.reserve(id, ask, Number.POSITIVE_INFINITY, now)
      return {
        settle(used) {
          for (const { book } of pages) book.settle(id, used, wallNow())
        },
      }
    },
    clear: () => books.clear(),
  }

  function bookOf(name: string): Book {
    const book = books.get(name) ?? new Book()
    books.set(name, book)
    return book
  }

  function shareOf(name: string, limits: SpendLimits): SpendLimits {
    const told = known.get(name)
    const part = (left: number): number => Math.floor(Math.max(0, left) / Math.max(1, replicas()))
    const share: Partial<Record<keyof SpendLimits, number>> = {}
    for (const [limit, most] of Object.entries(limits) as [keyof SpendLimits, number][]) {
      const budget = BUDGETS[limit]
      if (budget === undefined) share[limit] = part(most)
      else if (told !== undefined) share[limit] = part(most - budget(told))
      else
        throw fault('LG_STORE_UNAVAILABLE', {
          message: `Redis is not reachable, and what is left of ${limit} is not known`,
        })
    }
    return share
  }
}

const BUDGETS: Partial<Record<keyof SpendLimits, (known: Known) => number>> = {
  tokensPerDay: ({ day }) => day.tokens,
  microUsdPerDay: ({ day }) => day.microUsd,
  tokensTotal: ({ total }) => total.tokens,
  microUsdTotal: ({ total }) => total.microUsd,
}
