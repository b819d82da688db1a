/**
 * Fields that clients written for OpenAI and its relatives send and that Cerebras refuses, as data.
 * Its request schema is closed at every level (Cerebras OpenAPI 0.2.0), so one of them would fail
 * the whole request. Fields in no row pass through untouched.
 */
export type Rule = {
  /** Dotted path; `*` stands for each item of a list. */
  readonly path: string
  /** `remove`, or the name that the field has there, or a conversion by name. */
  readonly action: 'remove' | { readonly rename: string } | { readonly convert: Conversion }
  /** Only when the value is nothing: null, or an empty list. */
  readonly onlyEmpty?: true
  /** Only for this surface; absent: both. */
  readonly surface?: 'chat' | 'text'
}

/** Conversions that are more than another name; each has a function in `convert.ts`. */
export type Conversion = 'functions' | 'functionCall' | 'reasoningEffort' | 'nullContent'

const remove = (...paths: string[]): Rule[] => paths.map((path) => ({ path, action: 'remove' }))
const rename = (names: Record<string, string>): Rule[] =>
  Object.entries(names).map(([path, to]) => ({ path, action: { rename: to } }))

export const RULES: readonly Rule[] = [
  // OpenAI's own housekeeping; no effect on the text.
  ...remove('store', 'metadata', 'safety_identifier', 'prompt_cache_retention', 'web_search_options', 'extra_body'),
  ...remove('stream_options.include_obfuscation'),
  // Sampling and style that Cerebras does not have.
  ...remove('verbosity', 'modalities', 'audio', 'thinking', 'top_k', 'min_p', 'repetition_penalty', 'topK', 'minP'),
  // LiteLLM's cache controls; Loopgate takes headers.
  ...remove('cache', 'caching'),
  // Names as JavaScript clients spell them.
  ...rename({
    maxTokens: 'max_tokens',
    maxCompletionTokens: 'max_completion_tokens',
    topP: 'top_p',
    frequencyPenalty: 'frequency_penalty',
    presencePenalty: 'presence_penalty',
    logitBias: 'logit_bias',
    topLogprobs: 'top_logprobs',
    responseFormat: 'response_format',
    toolChoice: 'tool_choice',
    parallelToolCalls: 'parallel_tool_calls',
    reasoningEffort: 'reasoning_effort',
    serviceTier: 'service_tier',
    promptCacheKey: 'prompt_cache_key',
    stopSequences: 'stop',
    stop_sequences: 'stop',
  }),
  // The text surface has only the old name.
  { path: 'max_completion_tokens', action: { rename: 'max_tokens' }, surface: 'text' },
  // Function calling as it was before tools; the answer comes as tool calls.
  { path: 'functions', action: { convert: 'functions' } },
  { path: 'function_call', action: { convert: 'functionCall' } },
  // `reasoning: {effort}` of the responses API and of OpenRouter.
  { path: 'reasoning', action: { convert: 'reasoningEffort' } },

  // What answers of other providers hold, sent back as history.
  { path: 'messages.*.reasoning_content', action: { rename: 'reasoning' } },
  ...remove(
    'messages.*.refusal',
    'messages.*.audio',
    'messages.*.annotations',
    'messages.*.parsed',
    'messages.*.reasoning_details',
    'messages.*.cache_control',
  ),
  { path: 'messages.*.function_call', action: 'remove', onlyEmpty: true },
  { path: 'messages.*.tool_calls', action: 'remove', onlyEmpty: true },
  // Only an assistant's content may be null.
  { path: 'messages.*.content', action: { convert: 'nullContent' }, onlyEmpty: true },
  // Anthropic's prompt caching, as AI SDK and LiteLLM pass it on.
  ...remove('messages.*.content.*.cache_control', 'tools.*.cache_control', 'tools.*.function.cache_control'),
]
