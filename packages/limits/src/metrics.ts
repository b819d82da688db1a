import { createTally, observeGauge, type Registry } from '@loopgate/service-kit'
import type { Amount, Ask, LimitName } from './types.ts'

export type LimitMetrics = {
  readonly refused: (tenant: string, whose: 'key' | 'tenant', limit: LimitName) => void
  /** What is held for requests under way: more with 1, less with -1. */
  readonly held: (tenant: string, ask: Ask, sign: 1 | -1) => void
  readonly used: (tenant: string, used: Amount) => void
}

const MICRO = 1e-6

/** Metrics of this package, by tenant and never by key: of those there may be any number. */
export function createLimitMetrics(registry: Registry): LimitMetrics {
  const refusals = createTally(registry, {
    name: 'loopgate_limit_refusals_total',
    help: 'Requests that a limit of their key or tenant refused',
    labelNames: ['tenant', 'whose', 'limit'],
  })
  const tokens = createTally(registry, {
    name: 'loopgate_spent_tokens_total',
    help: 'Tokens that tenants have paid for on this replica, prompt and completion',
    labelNames: ['tenant'],
  })
  const usd = createTally(registry, {
    name: 'loopgate_spent_usd_total',
    help: 'What they cost, in US dollars by the price list',
    labelNames: ['tenant'],
  })
  const reserved = new Map<string, { tokens: number; requests: number }>()
  const show = (name: string, help: string, what: 'tokens' | 'requests'): void => {
    observeGauge(registry, { name, help, labelNames: ['tenant'] }, (gauge) => {
      for (const [tenant, held] of reserved) gauge.set({ tenant }, held[what])
    })
  }
  show(
    'loopgate_reserved_tokens',
    'Tokens that this replica holds for requests under way whose key or tenant has limits',
    'tokens',
  )
  show('loopgate_reserved_requests', 'Requests under way on this replica whose key or tenant has limits', 'requests')

  return {
    refused: (tenant, whose, limit) => refusals.add(1, tenant, whose, limit),
    held(tenant, ask, sign) {
      const sum = reserved.get(tenant) ?? { tokens: 0, requests: 0 }
      sum.tokens += sign * ask.tokens
      sum.requests += sign
      reserved.set(tenant, sum)
    },
    used(tenant, { tokens: count, microUsd }) {
      tokens.add(count, tenant)
      usd.add(microUsd * MICRO, tenant)
    },
  }
}
