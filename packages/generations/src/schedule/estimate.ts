import { LRUCache } from 'lru-cache'

/** Bytes of a body to a token of its prompt before anything is known: code, with what JSON adds to it. */
const BYTES_PER_TOKEN = 3
/** Sizes whose binary logarithm is alike have the same ratio: a template weighs more in a short prompt. */
const SIZES = 26
/** A ratio follows upwards at once and downwards slowly: an estimate that is too low is refused. */
const UP = 0.5
const DOWN = 0.02
const MAX_MODELS = 500

export type Estimates = {
  /** Tokens of the prompt of a body of so many bytes. */
  readonly promptTokens: (model: string, bytes: number) => number
  readonly learn: (model: string, bytes: number, promptTokens: number) => void
  /** What of the reserved output is used in the end, from 0 to 1. */
  readonly usedPart: (model: string) => number
  /** Tokens that one which reserves so many is likely to use; null while nothing is known. */
  readonly likely: (model: string, reserved: number) => number | null
  readonly learnUsed: (model: string, reserved: number, used: number) => void
}

type Learnt = { readonly ratios: Float64Array; usedPart: number; answers: number }

/** How large requests are, learnt from what the provider counted. */
export function createEstimates(): Estimates {
  const models = new LRUCache<string, Learnt>({ max: MAX_MODELS })
  return {
    promptTokens: (model, bytes) =>
      Math.max(1, Math.ceil(bytes * (models.get(model)?.ratios[sizeOf(bytes)] ?? 1 / BYTES_PER_TOKEN))),
    learn(model, bytes, promptTokens) {
      const { ratios } = of(model)
      const size = sizeOf(bytes)
      const known = ratios[size] ?? 1 / BYTES_PER_TOKEN
      const seen = promptTokens / Math.max(1, bytes)
      ratios[size] = known + (seen - known) * (seen > known ? UP : DOWN)
    },
    usedPart: (model) => models.get(model)?.usedPart ?? 1,
    likely(model, reserved) {
      const learnt = models.get(model)
      return learnt === undefined || learnt.answers === 0 ? null : Math.ceil(reserved * learnt.usedPart)
    },
    learnUsed(model, reserved, used) {
      const learnt = of(model)
      const part = Math.min(1, used / Math.max(1, reserved))
      // The mean of all at first: what stands there before any answer says nothing.
      learnt.answers++
      learnt.usedPart += (part - learnt.usedPart) * Math.max(DOWN, 1 / learnt.answers)
    },
  }

  function of(model: string): Learnt {
    const known = models.get(model)
    if (known !== undefined) return known
    const made = { ratios: new Float64Array(SIZES).fill(1 / BYTES_PER_TOKEN), usedPart: 1, answers: 0 }
    models.set(model, made)
    return made
  }
}

const sizeOf = (bytes: number): number => Math.min(SIZES - 1, Math.floor(Math.log2(Math.max(1, bytes))))
