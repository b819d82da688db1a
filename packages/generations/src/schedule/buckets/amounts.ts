/**
 * What a generation takes from the provider's buckets. Two kinds of tokens, since cached prompt tokens
 * count against some limits and not against others.
 */
export type Amounts = {
  readonly requests: number
  /** Without those of the prompt that the provider had cached. */
  readonly tokens: number
  readonly totalTokens: number
}
export type Currency = keyof Amounts

export const CURRENCIES = ['requests', 'tokens', 'totalTokens'] as const satisfies readonly Currency[]

/** Amounts, each made from its currency. */
export const amountsBy = (make: (currency: Currency) => number): Amounts => ({
  requests: make('requests'),
  tokens: make('tokens'),
  totalTokens: make('totalTokens'),
})

export const NOTHING: Amounts = Object.freeze(amountsBy(() => 0))
export const UNBOUNDED: Amounts = Object.freeze(amountsBy(() => Number.POSITIVE_INFINITY))

export const plus = (a: Amounts, b: Amounts): Amounts => ({
  requests: a.requests + b.requests,
  tokens: a.tokens + b.tokens,
  totalTokens: a.totalTokens + b.totalTokens,
})

export const minus = (a: Amounts, b: Amounts): Amounts => ({
  requests: a.requests - b.requests,
  tokens: a.tokens - b.tokens,
  totalTokens: a.totalTokens - b.totalTokens,
})

export const times = (a: Amounts, factor: number): Amounts => ({
  requests: a.requests * factor,
  tokens: a.tokens * factor,
  totalTokens: a.totalTokens * factor,
})

/** The smaller of each. */
export const lesser = (a: Amounts, b: Amounts): Amounts => amountsBy((currency) => Math.min(a[currency], b[currency]))

/** The larger of each. */
export const greater = (a: Amounts, b: Amounts): Amounts => amountsBy((currency) => Math.max(a[currency], b[currency]))

export const covers = (a: Amounts, b: Amounts): boolean =>
  b.requests <= a.requests && b.tokens <= a.tokens && b.totalTokens <= a.totalTokens
