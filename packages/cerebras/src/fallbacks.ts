import type { Secret } from '@loopgate/service-kit'
import { isRecord } from './faults/body.ts'

/** Another upstream that speaks the OpenAI API, for when the first one cannot answer in time; configured, never requested. */
export type FallbackSettings = {
  readonly name: string
  /** Its base URL without `/v1`. */
  readonly url: string
  readonly key: Secret
  /** What it calls the models that it stands in for, by the name that callers use. */
  readonly models: Readonly<Record<string, string>>
}

/**
 * Fields of the Cerebras API that others refuse; without them the request means the same (Cerebras API
 * reference, section 3: speed, formats and caching, never content).
 */
const CEREBRAS_ALONE = ['service_tier', 'clear_thinking', 'reasoning_format', 'disable_reasoning', 'prompt_cache_key']

/** The body of a request as a fallback understands it. */
export function bodyFor(model: string, body: Buffer): Buffer {
  const request: unknown = JSON.parse(body.toString('utf8'))
  if (!isRecord(request)) return body
  const kept = Object.entries(request).filter(([name]) => !CEREBRAS_ALONE.includes(name))
  return Buffer.from(JSON.stringify({ ...Object.fromEntries(kept), model }))
}
