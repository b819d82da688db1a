import type { Usage } from '@loopgate/contracts'
import type { Flight } from '../flight/flight.ts'

/** What a call has cost the upstream's bill. */
export type Cost = {
  /** As the upstream told it, for those of its calls that it told of. */
  readonly usage: Pick<Usage, 'prompt_tokens' | 'completion_tokens'>
  /** Calls that had begun to answer when they were cut off, so that nobody told what they used, and their bytes. */
  readonly untold: { readonly calls: number; readonly bytes: number }
}

/**
 * Sums up what one call has set going, and tells it once: when the caller has its answer or has gone,
 * and every flight that it leads has ended, which may be long after it has gone.
 */
export class Account {
  readonly #tell: ((cost: Cost) => void) | undefined
  /** The caller itself, until it is done, and the flights it leads. */
  #open = 1
  #done = false
  #promptTokens = 0
  #completionTokens = 0
  #untoldCalls = 0
  #untoldBytes = 0

  constructor(tell: ((cost: Cost) => void) | undefined) {
    this.#tell = tell
  }

  /** The caller leads one more flight. */
  lead(): void {
    this.#open++
  }

  /** A flight that it led has ended. Only what the upstream has begun to answer is billed. */
  ended({ head, end, log, wasted }: Flight): void {
    const usage = end?.facts.usage
    for (const { prompt_tokens, completion_tokens } of wasted) {
      this.#promptTokens += prompt_tokens
      this.#completionTokens += completion_tokens
    }
    if (head?.source === 'upstream' && usage) {
      this.#promptTokens += usage.prompt_tokens
      this.#completionTokens += usage.completion_tokens
    } else if (head?.source === 'upstream') {
      this.#untoldCalls++
      this.#untoldBytes += log.bytes
    }
    this.#close()
  }

  /** The caller has its answer, was refused, or has gone. */
  done(): void {
    if (this.#done) return
    this.#done = true
    this.#close()
  }

  #close(): void {
    this.#open--
    if (this.#open > 0) return
    this.#tell?.({
      usage: { prompt_tokens: this.#promptTokens, completion_tokens: this.#completionTokens },
      untold: { calls: this.#untoldCalls, bytes: this.#untoldBytes },
    })
  }
}
