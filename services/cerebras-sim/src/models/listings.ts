import { MODELS, type Model } from './catalogue.ts'

/** Shapes of the model listings. Recorded: `default` of both paths; `openrouter`, `huggingface`: OpenAPI 0.2.0. */
export type ListingFormat = 'default' | 'openrouter' | 'huggingface'
export const LISTING_FORMATS: readonly ListingFormat[] = ['default', 'openrouter', 'huggingface']

const entryOfKey = (model: Model) => ({ id: model.id, object: 'model', created: 0, owned_by: 'Cerebras' })

const publicEntry = (model: Model) => ({
  id: model.id,
  object: 'model',
  created: model.created,
  owned_by: model.ownedBy,
  name: model.name,
  description: model.description,
  hugging_face_id: model.huggingFaceId,
  pricing: { prompt: model.usdPerPromptToken, completion: model.usdPerCompletionToken },
  capabilities: {
    streaming: true,
    function_calling: true,
    structured_outputs: true,
    vision: model.vision,
    json_mode: true,
    tools: true,
    tool_choice: true,
    parallel_tool_calls: model.parallelToolCalls,
    response_format: true,
    reasoning: true,
  },
  supported_parameters: {
    temperature: true,
    top_p: true,
    seed: true,
    stop: true,
    max_completion_tokens: true,
    logprobs: false,
    top_logprobs: false,
    frequency_penalty: true,
    presence_penalty: true,
    logit_bias: true,
    repetition_penalty: false,
  },
  architecture: {
    modality: model.vision ? 'text+vision' : 'text',
    tokenizer: model.tokenizer,
    instruct_type: model.instructType,
  },
  limits: {
    max_context_length: model.contextTokens.paid,
    max_completion_tokens: model.maxOutputTokens.paid,
    requests_per_minute: null,
    tokens_per_minute: null,
  },
  datacenter_locations: [],
  deprecated: false,
  preview: model.preview,
  quantization: model.quantization,
})

const openRouterEntry = (model: Model) => ({
  id: `cerebras/${model.id}`,
  hugging_face_id: model.huggingFaceId,
  name: model.name,
  created: model.created,
  description: model.description,
  context_length: model.contextTokens.paid,
  max_output_length: model.maxOutputTokens.paid,
  pricing: {
    prompt: model.usdPerPromptToken,
    completion: model.usdPerCompletionToken,
    image: '0',
    request: '0',
    input_cache_read: '0',
    input_cache_write: '0',
  },
  quantization: 'fp16',
  input_modalities: model.vision ? ['text', 'image'] : ['text'],
  output_modalities: ['text'],
  supported_sampling_parameters: ['temperature', 'top_p', 'seed', 'stop', 'max_tokens'],
  supported_features: ['tools', 'json_mode', 'structured_outputs', 'reasoning'],
  datacenters: [],
})

const huggingFaceEntry = (model: Model) => ({
  id: model.id,
  object: 'model',
  created: model.created,
  owned_by: model.ownedBy,
  hugging_face_id: model.huggingFaceId,
  context_length: model.contextTokens.paid,
  // USD per million tokens, rounded so that the product of two decimals stays a decimal.
  pricing: {
    input: Number((Number(model.usdPerPromptToken) * 1e6).toFixed(6)),
    output: Number((Number(model.usdPerCompletionToken) * 1e6).toFixed(6)),
  },
  capabilities: { function_calling: true, streaming: true, structured_outputs: true, vision: model.vision },
})

export type Audience = 'key' | 'public'

function entry(audience: Audience, format: ListingFormat, model: Model): unknown {
  if (format === 'openrouter') return openRouterEntry(model)
  if (format === 'huggingface') return huggingFaceEntry(model)
  return audience === 'key' ? entryOfKey(model) : publicEntry(model)
}

/** The JSON text of a whole listing. */
export function listingBody(audience: Audience, format: ListingFormat): string {
  const data = MODELS.map((model) => entry(audience, format, model))
  return JSON.stringify(format === 'openrouter' ? { data } : { object: 'list', data })
}

/** The JSON text of one model. */
export function modelBody(audience: Audience, format: ListingFormat, model: Model): string {
  return JSON.stringify(entry(audience, format, model))
}
