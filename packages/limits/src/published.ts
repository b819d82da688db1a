import { z } from 'zod'
import type { Prices } from './prices.ts'

/** An entry of the public catalogue as far as it is read: USD for one token, as text (recorded 2026-07). */
const entrySchema = z.object({
  id: z.string().min(1).max(200),
  pricing: z.object({ prompt: z.string().max(40), completion: z.string().max(40) }),
})
const listSchema = z.object({ data: z.array(z.unknown()).max(10_000) })

/** Micro-USD for a million tokens, of USD for one. */
const MICRO_USD_PER_MILLION = 1e12
/** A dollar a token: above it somebody has mistaken the unit. */
const MOST = MICRO_USD_PER_MILLION

/**
 * Prices in a listing of `/public/v1/models`; a model whose price cannot be read is left out.
 * @throws Error for what is not such a listing
 */
export function readPublished(listing: Buffer): Prices {
  const { data } = listSchema.parse(JSON.parse(listing.toString('utf8')))
  const prices: Record<string, Prices[string]> = {}
  for (const each of data) {
    const entry = entrySchema.safeParse(each)
    if (!entry.success) continue
    const { id, pricing } = entry.data
    const [promptMicroUsdPerMillion, completionMicroUsdPerMillion] = [pricing.prompt, pricing.completion].map(price)
    if (promptMicroUsdPerMillion === undefined || completionMicroUsdPerMillion === undefined) continue
    prices[id] = { promptMicroUsdPerMillion, completionMicroUsdPerMillion }
  }
  return prices
}

/** Rounded up, as every amount of money here is. */
function price(usdPerToken: string): number | undefined {
  if (!/^\d{1,3}(\.\d{1,30})?$/.test(usdPerToken)) return undefined
  // To a millionth first: 0.00000035 is a little more than that as a binary fraction.
  const micros = Math.ceil(Number((Number(usdPerToken) * MICRO_USD_PER_MILLION).toFixed(6)))
  return micros <= MOST ? micros : undefined
}
