import type { SpendLimits } from '@loopgate/contracts'
import type { Redis } from 'ioredis'

/** What runs while its lease lasts. */
export type Kind = 'generation' | 'execution'

/** Tokens, and money in millionths of a US dollar; whole numbers. */
export type Amount = { readonly tokens: number; readonly microUsd: number }

/** What a request asks for before anything of it is done. */
export type Ask = Amount & { readonly kind: Kind }

export type LimitName = keyof SpendLimits

/** Which limit said no, and when it may say yes: ms from now, or null for never. */
export type Refusal = { readonly limit: LimitName; readonly freesInMs: number | null }

/** What a key or tenant has used. */
export type Usage = {
  /** In the last 60 to 65 s. */
  readonly minute: { readonly requests: number; readonly tokens: number }
  /** Since midnight UTC. */
  readonly day: Amount
  readonly total: Amount
  /** Held for what is under way. */
  readonly reserved: Amount & { readonly generations: number; readonly executions: number }
}

/** A connection to Redis that fails fast; null for a command that got no reply. */
export type Link = {
  readonly attempt: <T>(
    command: (redis: Redis) => Promise<T>,
    how?: {
      /** Given a reply that was not waited for and may still come. */
      readonly late?: (reply: Promise<T>) => void
      /** Waits on while Redis is slow, until it counts as away. */
      readonly patient?: boolean
    },
  ) => Promise<T | null>
  readonly status: () => 'up' | 'down'
}

/** Room that a request has been given; to be settled once, however the request ends. */
export type Reservation = { readonly settle: (used: Amount) => void }
