import { z } from 'zod'
import type { Amount } from './types.ts'

/** Micro-USD for a million tokens: $0.35 a million is 350,000. */
const priceSchema = z.strictObject({
  promptMicroUsdPerMillion: z.int().min(0),
  completionMicroUsdPerMillion: z.int().min(0),
})
export const pricesSchema = z.record(z.string().min(1).max(200), priceSchema)
export type Prices = Readonly<z.infer<typeof pricesSchema>>

/**
 * Prices of the Cerebras public catalogue, recorded 2026-07. Of `qwen-3.8-27b` none is published: an
 * operator who limits money says what it costs.
 */
const CATALOGUE: Prices = {
  'gpt-oss-120b': { promptMicroUsdPerMillion: 350_000, completionMicroUsdPerMillion: 750_000 },
  'gemma-4-31b': { promptMicroUsdPerMillion: 990_000, completionMicroUsdPerMillion: 1_490_000 },
  'zai-glm-4.7': { promptMicroUsdPerMillion: 2_250_000, completionMicroUsdPerMillion: 2_750_000 },
}
const MILLION = 1_000_000

export type PriceList = {
  /** Tokens and their price together, in micro-USD rounded up. A model without a price costs the dearest one. */
  readonly amount: (model: string, promptTokens: number, completionTokens: number) => Amount
  /** Takes prices that the upstream publishes; those of the operator stay. */
  readonly learn: (published: Prices) => void
}

/** Makes the price list; what the operator says counts before what is published, and that before the catalogue. */
export function createPriceList(operator: Prices = {}): PriceList {
  let known: Prices = { ...CATALOGUE, ...operator }

  return {
    learn: (published) => void (known = { ...CATALOGUE, ...published, ...operator }),
    amount(model, promptTokens, completionTokens) {
      const price = Object.hasOwn(known, model) ? known[model] : dearest(known)
      const { promptMicroUsdPerMillion = 0, completionMicroUsdPerMillion = 0 } = price ?? {}
      const micros = promptTokens * promptMicroUsdPerMillion + completionTokens * completionMicroUsdPerMillion
      return { tokens: promptTokens + completionTokens, microUsd: Math.ceil(micros / MILLION) }
    },
  }
}

/** A limit on money must not be passed by naming a model of which nobody knows the price. */
function dearest(prices: Prices): Prices[string] {
  const all = Object.values(prices)
  return {
    promptMicroUsdPerMillion: Math.max(0, ...all.map((price) => price.promptMicroUsdPerMillion)),
    completionMicroUsdPerMillion: Math.max(0, ...all.map((price) => price.completionMicroUsdPerMillion)),
  }
}
