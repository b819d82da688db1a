import type { Connection } from '../../cache/connection.ts'
import { scripted } from '../../replicas/scripts.ts'
import { type Amounts, CURRENCIES } from './amounts.ts'
import { bucketKeys } from './keys.ts'
import { FLOOR, type Level } from './levels.ts'
import { WINDOWS } from './windows.ts'

/** What a replica tells the bank about one bucket. */
export type Report = {
  readonly epoch: number
  /** A pause that it has met, in ms from now; 0 for none. */
  readonly pauseMs: number
  readonly used: Amounts
  readonly inFlight: Amounts
  readonly keep: Amounts
  readonly want: Amounts
  /** What the first of those that wait needs; nothing if none waits. */
  readonly least: Amounts
  readonly windows: readonly WindowReport[]
}

export type WindowReport = {
  readonly limit: number | null
  /** The provider has named this limit; else it is what was configured. */
  readonly replaces: boolean
  readonly level: number
  readonly correction: number
}

export type Reply = {
  readonly given: Amounts
  readonly replicas: number
  readonly epoch: number
  readonly pauseMs: number
  /** What nobody holds. */
  readonly free: Amounts
  readonly windows: ReadonlyArray<Level | null>
}

/**
 * What all replicas have in common of the buckets. What it has given is spent without asking, so that
 * the sum over all replicas is never above what there is; what a replica keeps too long, it loses.
 */
export type Bank = {
  /** Null while Redis is away. */
  readonly exchange: (organisation: string, model: string, report: Report) => Promise<Reply | null>
}

export type BankOptions = { readonly prefix: string; readonly replica: string; readonly leaseMs: number }

export function createBank(
  { connection }: { connection: Connection },
  { prefix, replica, leaseMs }: BankOptions,
): Bank {
  return {
    async exchange(organisation, model, report) {
      const args = [replica, leaseMs, report.epoch, report.pauseMs]
      for (const amounts of [report.used, report.inFlight, report.keep, report.want, report.least]) {
        args.push(...numbers(amounts))
      }
      args.push(FLOOR)
      WINDOWS.forEach(({ currency, windowMs }, index) => {
        const { limit, replaces, level, correction } = report.windows[index] as WindowReport
        const place = CURRENCIES.indexOf(currency) + 1
        args.push(place, windowMs, limit ?? '', replaces ? 1 : 0, limit === null ? 0 : level, correction)
      })
      const reply = await connection.attempt((redis) =>
        scripted(redis).lgExchange(...bucketKeys(prefix, organisation, model), ...args),
      )
      return reply === null ? null : readReply(reply)
    },
  }
}

/** Redis takes no infinity; this is more than any bucket holds. */
const MOST = 1e15

const numbers = (amounts: Amounts): number[] => CURRENCIES.map((currency) => Math.min(amounts[currency], MOST))

function readReply(reply: ReadonlyArray<string | number>): Reply {
  const number = (index: number): number => Number(reply[index])
  const amounts = (first: number): Amounts => ({
    requests: number(first),
    tokens: number(first + 1),
    totalTokens: number(first + 2),
  })
  return {
    given: amounts(0),
    replicas: number(3),
    epoch: number(4),
    pauseMs: number(5),
    free: amounts(6),
    windows: WINDOWS.map((_, index) => {
      const limit = reply[9 + index * 2]
      return limit === '' || limit === undefined ? null : { capacity: Number(limit), level: number(10 + index * 2) }
    }),
  }
}
