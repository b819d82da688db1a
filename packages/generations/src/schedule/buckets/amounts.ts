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

export const NOTHING: Amounts = Object.freeze({ requests: 0, tokens: 0, totalTokens: 0 })
export const UNBOUNDED: Amounts = Object.freeze({
  requests: Number.POSITIVE_INFINITY,
  tokens: Number.POSITIVE_INFINITY,
  totalTokens: Number.POSITIVE_INFINITY,
})

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

export const covers = (a: Amounts, b: Amounts): boolean =>
  b.requests <= a.requests && b.tokens <= a.tokens && b.totalTokens <= a.totalTokens
