import type { Generation, Usage } from '../generation/generation.ts'
import type { Model } from '../models/catalogue.ts'

/** What all parts of one answer share. */
export type Envelope = {
  readonly id: string
  /** Epoch seconds. */
  readonly created: number
  readonly model: Model
  readonly times: Times
}

/** Seconds, as in `time_info`. */
export type Times = {
  readonly created: number
  readonly queue: number
  readonly prompt: number
  readonly completion: number
}

/** Typical of 21 recorded replies: 4 ms in the queue, 1.7-7 ms of prefill, 2-5 ms of everything else. */
const QUEUE_SECONDS = 0.0041
const PREFILL_BASE_SECONDS = 0.0017
const PREFILL_SECONDS_PER_TOKEN = 0.00001
const OVERHEAD_SECONDS = 0.003

/** The times of a generation at the given pace: computed, not measured, so they are the same every time. */
export function timesOf(usage: Usage, tokensPerSecond: number, wallMs: number): Times {
  return {
    created: wallMs / 1000,
    queue: QUEUE_SECONDS,
    prompt: round(PREFILL_BASE_SECONDS + (usage.promptTokens - usage.cachedTokens) * PREFILL_SECONDS_PER_TOKEN),
    completion: round(usage.completionTokens / tokensPerSecond),
  }
}

/** Nanoseconds are as fine as the real figures are. */
const round = (seconds: number): number => Math.round(seconds * 1e9) / 1e9

/** The members behind `choices`, in the order of the wire: created, model, system_fingerprint, object. */
export function tailMembers({ created, model }: Envelope, object: string): string {
  return `"created":${created},"model":"${model.id}","system_fingerprint":"${model.fingerprint}","object":"${object}"`
}

/** `"usage":{…},"time_info":{…}`: at the end of a whole answer and of the finish chunk. */
export function usageMembers({ times }: Envelope, { model, usage }: Generation): string {
  const { promptTokens, completionTokens, cachedTokens, reasoningTokens } = usage
  const prediction = model.predictionCounters ? '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0,' : ''
  const total = round(times.queue + times.prompt + times.completion + OVERHEAD_SECONDS)
  return (
    `"usage":{"total_tokens":${promptTokens + completionTokens},"completion_tokens":${completionTokens},` +
    `"completion_tokens_details":{${prediction}"reasoning_tokens":${reasoningTokens}},` +
    `"prompt_tokens":${promptTokens},"prompt_tokens_details":{"cached_tokens":${cachedTokens}}},` +
    `"time_info":{"created":${times.created},"queue_time":${times.queue},"prompt_time":${times.prompt},` +
    `"completion_time":${times.completion},"total_time":${total}}`
  )
}

/** One server-sent event and how many tokens it carries, for the pace. */
export type StreamEvent = { readonly text: string; readonly tokens: number }

export const sse = (data: string, tokens = 0): StreamEvent => ({ text: `data: ${data}\n\n`, tokens })

export const DONE = sse('[DONE]')
