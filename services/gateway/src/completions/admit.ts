import type { Principal } from '@loopgate/contracts'
import type { Cost } from '@loopgate/generations'
import type { Amount, Limiter, PriceList, Reservation } from '@loopgate/limits'
import { needModel } from '../auth/need-model.ts'
import type { Reading } from './reading.ts'

/**
 * Bytes of a request for each token of its prompt: English and code take four, and JSON around them
 * adds some. A prompt that packs more tokens into its bytes is settled at what it was.
 */
const BYTES_PER_TOKEN = 3
/** What a chunk of a stream takes for each token, its envelope included (recorded replies: 150 to 300). */
const STREAMED_BYTES_PER_TOKEN = 100
/** What Cerebras reserves for a request that names no bound. */
const UNNAMED_TOKENS = 16_384
/** More than any limit allows, and few enough digits for the scripts to count with, whatever a caller writes. */
const MOST_TOKENS = 1_000_000_000_000

export type Admission = {
  /**
   * Reserves what a completion may use at most; at once where nothing limits it.
   * @throws LoopgateError LG_FORBIDDEN for a model that the key may not use; rejects with
   *   LG_LIMIT_REACHED or LG_BUDGET_SPENT
   */
  readonly admit: (principal: Principal, reading: Reading) => Reservation | Promise<Reservation>
  /** What a completion has used in the end. */
  readonly used: (reading: Reading, cost: Cost) => Amount
}

/** Admission of completions by the limits of their key and tenant. */
export function createAdmission(limiter: Limiter, prices: PriceList): Admission {
  return {
    admit(principal, { body, bytes }) {
      const model = String(body['model'])
      needModel(principal, model, 'model')
      const most = prices.amount(model, promptTokens(bytes), completionTokens(body))
      return limiter.reserve(principal, { kind: 'generation', ...most })
    },
    used({ body, bytes }, { usage, untold }) {
      // A call that was cut off is billed for what it had read and written.
      const prompt = usage.prompt_tokens + untold.calls * promptTokens(bytes)
      const completion = usage.completion_tokens + Math.ceil(untold.bytes / STREAMED_BYTES_PER_TOKEN)
      return prices.amount(String(body['model']), prompt, completion)
    },
  }
}

const promptTokens = (bytes: Buffer): number => Math.ceil(bytes.length / BYTES_PER_TOKEN)

/** Each prompt of a list is completed, as often as the request says; `best_of` are written even if fewer are given. */
function completionTokens(body: Reading['body']): number {
  const bound = count(body['max_completion_tokens']) ?? count(body['max_tokens']) ?? UNNAMED_TOKENS
  const each = Math.max(1, count(body['n']) ?? 1, count(body['best_of']) ?? 1)
  return Math.min(MOST_TOKENS, bound * each * prompts(body['prompt']))
}

/** A list of numbers is one prompt in tokens. */
function prompts(prompt: unknown): number {
  return Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1
}

const count = (value: unknown): number | null => (typeof value === 'number' && value >= 0 ? Math.ceil(value) : null)
