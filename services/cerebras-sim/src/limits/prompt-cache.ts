import { hash } from 'node:crypto'
import type { Clock } from '@loopgate/service-kit'
import { unitsOfTokens } from '../generation/tokens.ts'

/** Prefixes are kept in whole blocks; 128 and 256 cached tokens were recorded. */
const BLOCK_TOKENS = 128
/** The least the vendor promises (page on prompt caching, read 2026-11: at least 5 minutes, at most an hour). */
const TTL_MS = 300_000
const MAX_PREFIXES = 50_000

export type PromptCache = {
  /** How many tokens of the prompt's front were seen before; remembers the prompt for the next. */
  readonly match: (organisation: string, model: string, prompt: string) => number
}

/** A prefix cache per organisation and model, by blocks of 128 tokens. */
export function createPromptCache({ clock }: { readonly clock: Clock }): PromptCache {
  const expiries = new Map<string, number>()

  return {
    match: (organisation, model, prompt) => {
      const nowMs = clock.now()
      const blocks = Math.floor(prompt.length / unitsOfTokens(BLOCK_TOKENS))
      let prefix = `${organisation}\n${model}`
      let cached = 0
      for (let block = 1; block <= blocks; block += 1) {
        const [start, end] = [unitsOfTokens((block - 1) * BLOCK_TOKENS), unitsOfTokens(block * BLOCK_TOKENS)]
        prefix = hash('sha1', `${prefix}\n${prompt.slice(start, end)}`)
        if (cached === block - 1 && (expiries.get(prefix) ?? 0) > nowMs) cached = block
        expiries.delete(prefix)
        expiries.set(prefix, nowMs + TTL_MS)
      }
      // A Map keeps the order of insertion, so the first ones are those longest unused.
      for (const oldest of expiries.keys()) {
        if (expiries.size <= MAX_PREFIXES) break
        expiries.delete(oldest)
      }
      return cached * BLOCK_TOKENS
    },
  }
}
