import type { Amounts } from '../schedule/buckets/amounts.ts'
import type { Origin } from '../schedule/caps/caps.ts'
import { boundOf, choicesOf, clamp, RESERVED_TOKENS } from '../schedule/caps/output.ts'
import type { Priority } from '@loopgate/contracts'
import type { GenerationCall, Scheduling } from '../types.ts'
import type { Caller } from './caller.ts'
import type { LeadDeps } from './lead.ts'
import { requestBytes } from './request-bytes.ts'

/** One request as it goes upstream, and what the provider will reserve for it. */
export type Draft = {
  readonly body: Buffer
  readonly amounts: Amounts
  readonly promptTokens: number
  readonly outputTokens: number
  /** What would be reserved for the output without a cap of ours. */
  readonly uncappedTokens: number
  /** The bound of ours that is lower than the caller's; null for none. */
  readonly cap: number | null
  readonly origin: Origin
}

/** How a call whose caller says nothing about is scheduled. */
export const UNSCHEDULED: Scheduling = Object.freeze({
  priority: 'interactive',
  flow: 'any',
  key: 'any',
  deadlineMs: null,
  capsOutput: true,
})

/** The provider's names for how urgent a request is (Cerebras docs, service tiers, private preview, read 2026-11). */
const TIERS: Readonly<Record<Priority, string>> = { interactive: 'priority', loop: 'default', batch: 'flex' }

/**
 * Writes the request of a call. Only a reply that is one document is capped: what of a stream has been
 * passed on cannot be taken back when it ends at a bound that its caller has not set. Nothing of this
 * is part of the key, and an answer that a cap has cut off is never given to anybody.
 */
export function draft(
  { scheduler, caps, serviceTiers }: LeadDeps,
  { call, place }: Pick<Caller, 'call' | 'place'>,
  uncapped: boolean,
): Draft {
  const { body: asked, surface, tenant, scheduling = UNSCHEDULED } = call
  const model = String(asked['model'])
  const origin = { tenant, flow: scheduling.flow, key: scheduling.key, model }
  const own = boundOf(surface, asked)?.tokens ?? null
  const choices = choicesOf(asked)
  const reserved = Math.min(own ?? RESERVED_TOKENS, RESERVED_TOKENS)
  const capped = !uncapped && scheduling.capsOutput && asked['stream'] !== true && choices === 1
  const learnt = capped && caps !== null && scheduler.limited(model) ? caps.cap(origin) : null
  const cap = learnt === null ? null : Math.max(learnt, leastOf(asked))
  const lower = cap !== null && cap < reserved ? cap : null

  let sent: GenerationCall = call
  if (lower !== null) sent = changed(sent, clamp(surface, asked, lower))
  if (serviceTiers && asked['service_tier'] === undefined) {
    sent = changed(sent, { ...sent.body, service_tier: TIERS[scheduling.priority] })
  }
  const body = requestBytes(sent, place)
  const promptTokens = scheduler.estimates.promptTokens(model, body.length)
  const outputTokens = (lower ?? reserved) * choices
  const tokens = promptTokens + outputTokens
  return {
    body,
    amounts: { requests: 1, tokens, totalTokens: tokens },
    promptTokens,
    outputTokens,
    uncappedTokens: reserved * choices,
    cap: lower,
    origin,
  }
}

/** Another body than the one that came, which the bytes of that do not have. */
const changed = (call: GenerationCall, body: GenerationCall['body']): GenerationCall => ({
  ...call,
  body,
  original: null,
})

/** A lower bound of the caller's own, below which ours would make the request invalid. */
function leastOf(body: GenerationCall['body']): number {
  const [chat, text] = [body['min_completion_tokens'], body['min_tokens']]
  return Math.max(typeof chat === 'number' ? chat : 0, typeof text === 'number' ? text : 0)
}
