import type { Clock } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import type { Payer } from './payer.ts'
import { scripted } from './scripts.ts'
import type { Amount, Link } from './types.ts'

/** What is still to be entered in Redis for one payer, of what was never reserved there. */
type Owed = { readonly keys: readonly string[]; requests: number; tokens: number; microUsd: number }

/** To be called once. */
export type Settle = (used: Amount) => void

export type Settlements = {
  /** Nothing was reserved; what is used is entered within a second, so that a call costs no command. */
  readonly unlimited: (payer: Payer) => Settle
  /** A lease was given: it is renewed until it is settled. */
  readonly reserved: (payer: Payer, lease: string) => Settle
  /** Enters all that is owed now, as far as Redis answers; whether all of it has been. */
  readonly flush: () => Promise<boolean>
  readonly close: () => Promise<void>
}

const FLUSH_MS = 1_000
/** Nothing runs longer, since calls and executions end after two hours at most: a lease that nobody settles lapses. */
const LONGEST_MS = 4 * 3_600_000

/**
 * Tells Redis what was used. Whatever Redis does not take is kept and told again: of leases at most as
 * many as requests were under way, of the rest one sum for each payer.
 */
export function createSettlements(
  { link, clock, keysOf }: { link: Link | null; clock: Clock; keysOf: (payer: Payer) => readonly string[] },
  { leaseMs }: { leaseMs: number },
): Settlements {
  const owed = new Map<string, Owed>()
  const ended = new Map<string, { readonly keys: readonly string[]; readonly used: Amount }>()
  const live = new Map<string, { readonly keys: readonly string[]; readonly since: number }>()
  let flushed = Promise.resolve(true)
  let due = false
  let renewing = false

  return {
    unlimited(payer) {
      return (used) => {
        const sum = owedTo(keysOf(payer))
        sum.requests += 1
        sum.tokens += used.tokens
        sum.microUsd += used.microUsd
        schedule()
      }
    },
    reserved(payer, lease) {
      const keys = keysOf(payer)
      live.set(lease, { keys, since: clock.now() })
      scheduleRenewal()
      return (used) => {
        live.delete(lease)
        ended.set(lease, { keys, used })
        // At once: others may wait for the room.
        void flush()
      }
    },
    flush,
    async close() {
      for (const [lease, { keys }] of live) ended.set(lease, { keys, used: { tokens: 0, microUsd: 0 } })
      live.clear()
      await flush()
    },
  }

  function owedTo(keys: readonly string[]): Owed {
    const [book = ''] = keys
    const sum = owed.get(book) ?? { keys, requests: 0, tokens: 0, microUsd: 0 }
    owed.set(book, sum)
    return sum
  }

  function schedule(): void {
    if (due || link === null) return
    due = true
    clock.after(FLUSH_MS, () => {
      due = false
      void flush()
    })
  }

  /** One after the other, so that what has not been taken is told before what came later. */
  async function flush(): Promise<boolean> {
    flushed = flushed.then(enter)
    return await flushed
  }

  async function enter(): Promise<boolean> {
    if (ended.size === 0 && owed.size === 0) return true
    const leases = [...ended]
    const sums = [...owed.values()]
    ended.clear()
    owed.clear()
    const results = await Promise.all([
      ...leases.map(async ([lease, { keys, used }]) => {
        const told = await tell(keys, lease, used, 0)
        if (!told) ended.set(lease, { keys, used })
        return told
      }),
      ...sums.map(async (sum) => {
        const told = await tell(sum.keys, '', sum, sum.requests, () => keepOwing(sum, -1))
        if (!told) keepOwing(sum, 1)
        return told
      }),
    ])
    const away = results.includes(false)
    if (away) schedule()
    return !away
  }

  /** Adds to what is owed; with -1 takes back what has been entered after all. */
  function keepOwing({ keys, ...sum }: Owed, sign: 1 | -1): void {
    const now = owedTo(keys)
    now.requests += sign * sum.requests
    now.tokens += sign * sum.tokens
    now.microUsd += sign * sum.microUsd
  }

  /** `late` is told of a command that was given up and has been carried out all the same. */
  async function tell(
    keys: readonly string[],
    lease: string,
    used: Amount,
    requests: number,
    late: () => void = ignore,
  ): Promise<boolean> {
    if (link === null) return true
    const command = (redis: Redis) => scripted(redis).lgSettle(...keys, lease, used.tokens, used.microUsd, requests)
    return (await link.attempt(command, { late: (reply) => void reply.then(late, ignore) })) !== null
  }

  function scheduleRenewal(): void {
    if (renewing || link === null) return
    renewing = true
    clock.after(leaseMs / 3, () => {
      renewing = false
      void renew()
      if (live.size > 0) scheduleRenewal()
    })
  }

  async function renew(): Promise<void> {
    if (link === null) return
    const byBook = new Map<string, string[]>()
    for (const [lease, { keys, since }] of live) {
      if (clock.now() - since > LONGEST_MS) live.delete(lease)
      const [, ofKey = '', , ofTenant = ''] = keys
      for (const name of [ofKey, ofTenant]) {
        const leases = byBook.get(name)
        if (leases === undefined) byBook.set(name, [lease])
        else leases.push(lease)
      }
    }
    await Promise.all(
      [...byBook].map(([name, leases]) =>
        link.attempt((redis) => scripted(redis).lgRenewLeases(name, leaseMs, ...leases)),
      ),
    )
  }
}

function ignore(): void {}
