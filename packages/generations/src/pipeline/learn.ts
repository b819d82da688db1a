import type { Facts } from '@loopgate/cerebras'
import type { Draft } from './draft.ts'
import type { LeadDeps } from './lead.ts'

/** What a whole answer teaches of the sizes of prompts and outputs; `cut`: a bound of ours has ended it. */
export function learn(
  { scheduler, caps }: Pick<LeadDeps, 'scheduler' | 'caps'>,
  tenant: string,
  { outputTokens, uncappedTokens, origin, body }: Draft,
  { usage, finishReasons }: Facts,
  cut: boolean,
): void {
  if (usage === null) return
  const { model } = origin
  scheduler.estimates.learn(model, body.length, usage.prompt_tokens)
  scheduler.estimates.learnUsed(model, outputTokens, usage.completion_tokens)
  scheduler.metrics.output(tenant, {
    reserved: outputTokens,
    used: usage.completion_tokens,
    saved: cut ? 0 : uncappedTokens - outputTokens,
  })
  const whole = finishReasons.length === 1 && !finishReasons.includes('length')
  if (whole) caps?.learn(origin, usage.completion_tokens)
}
