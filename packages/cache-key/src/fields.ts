import type { chatCompletionRequestSchema, textCompletionRequestSchema } from '@loopgate/contracts'

type KnownField = keyof typeof chatCompletionRequestSchema.shape | keyof typeof textCompletionRequestSchema.shape

/** `true`: part of the key. A text: left out, and why it cannot change the answer. */
type Decision = true | string

/**
 * One decision for each field that the contracts know: a new field of a schema does not compile
 * here until someone decides. Fields that nobody knows are always part of the key.
 */
const KNOWN: Readonly<Record<KnownField, Decision>> = {
  model: true,
  messages: true,
  prompt: true,
  temperature: true,
  top_p: true,
  seed: true,
  max_tokens: true,
  max_completion_tokens: true,
  n: true,
  stop: true,
  stream: 'says how the answer is delivered; both shapes are made from one recording',
  stream_options: 'says what the delivery holds besides the answer; usage is always asked for',
  user: 'the end user, for abuse tracking (Cerebras OpenAPI 0.2.0)',
}

/** Fields outside the contracts' schemas that were weighed too. */
const WEIGHED: Readonly<Record<string, Decision>> = {
  prompt_cache_key: 'a routing hint to the prefix cache of the provider (Cerebras docs, prompt caching)',
  // The text is the same, the wait and the risk of a refusal are not: a priority call must not
  // join a flight of the slowest tier.
  service_tier: true,
}

/** Published: the fields of a request that are not part of its key, each with the reason. */
export const LEFT_OUT: ReadonlyMap<string, string> = new Map(
  Object.entries({ ...KNOWN, ...WEIGHED }).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
)
