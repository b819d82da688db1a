import { hash } from 'node:crypto'

type Effort = 'none' | 'low' | 'medium' | 'high'

/**
 * A model as Cerebras served it in 2026. Limits and prices: the public catalogue, recorded 2026-07
 * (dcdpr/jp fixtures), and the vendor's model pages of the same summer.
 */
export type Model = {
  readonly id: string
  readonly ownedBy: string
  readonly name: string
  readonly description: string
  readonly huggingFaceId: string
  /** Epoch seconds, as the catalogue gives it. */
  readonly created: number
  readonly usdPerPromptToken: string
  readonly usdPerCompletionToken: string
  readonly contextTokens: { readonly free: number; readonly paid: number }
  readonly maxOutputTokens: { readonly free: number; readonly paid: number }
  /** Advertised; `time_info` is computed with it when the simulator is not paced. */
  readonly decodeTokensPerSecond: number
  readonly efforts: readonly Effort[]
  /** Whether `reasoning_format: raw` marks the thinking with `<think>`; gpt-oss puts it in front bare. */
  readonly thinkTags: boolean
  readonly vision: boolean
  readonly parallelToolCalls: boolean
  /** gpt-oss streams a tool call in fragments, GLM in one piece (both recorded). */
  readonly toolCallInFragments: boolean
  /** gemma leaves the two prediction counters out of `usage` (recorded 2026-08). */
  readonly predictionCounters: boolean
  readonly tokenizer: string
  readonly instructType: string
  readonly preview: boolean
  readonly quantization: string | null
  readonly fingerprint: string
}

const REASONING: readonly Effort[] = ['low', 'medium', 'high']
const OPTIONAL_REASONING: readonly Effort[] = ['none', ...REASONING]

const model = (row: Omit<Model, 'fingerprint'>): Model => ({
  ...row,
  fingerprint: `fp_${hash('sha256', row.id).slice(0, 20)}`,
})

export const MODELS: readonly Model[] = [
  model({
    id: 'gpt-oss-120b',
    ownedBy: 'OpenAI',
    name: 'OpenAI GPT OSS',
    description: 'Open-weight reasoning model for coding, mathematics and long documents.',
    huggingFaceId: 'openai/gpt-oss-120b',
    created: 1_754_438_400,
    usdPerPromptToken: '0.00000035',
    usdPerCompletionToken: '0.00000075',
    contextTokens: { free: 65_536, paid: 131_072 },
    maxOutputTokens: { free: 32_768, paid: 40_960 },
    decodeTokensPerSecond: 3000,
    efforts: REASONING,
    thinkTags: false,
    vision: false,
    parallelToolCalls: false,
    toolCallInFragments: true,
    predictionCounters: true,
    tokenizer: 'GPT',
    instructType: 'harmony',
    preview: false,
    quantization: 'FP16/8 (weights only)',
  }),
  model({
    id: 'zai-glm-4.7',
    ownedBy: 'Z.ai',
    name: 'Z.ai GLM 4.7',
    description: 'Coding model with strong tool use and agentic behaviour.',
    huggingFaceId: 'zai-org/GLM-4.7',
    created: 0,
    usdPerPromptToken: '0.00000225',
    usdPerCompletionToken: '0.00000275',
    contextTokens: { free: 65_536, paid: 131_072 },
    maxOutputTokens: { free: 32_768, paid: 40_960 },
    decodeTokensPerSecond: 1000,
    efforts: ['none'],
    thinkTags: true,
    vision: false,
    parallelToolCalls: true,
    toolCallInFragments: false,
    predictionCounters: true,
    tokenizer: 'GLM',
    instructType: 'glm',
    preview: true,
    quantization: null,
  }),
  model({
    id: 'gemma-4-31b',
    ownedBy: 'Google',
    name: 'Gemma 4 31B',
    description: 'Multimodal reasoning model for screenshots, documents and diagrams.',
    huggingFaceId: 'google/gemma-4-31B',
    created: 0,
    usdPerPromptToken: '0.00000099',
    usdPerCompletionToken: '0.00000149',
    contextTokens: { free: 65_536, paid: 131_072 },
    maxOutputTokens: { free: 32_768, paid: 40_960 },
    decodeTokensPerSecond: 1850,
    efforts: OPTIONAL_REASONING,
    thinkTags: true,
    vision: true,
    parallelToolCalls: true,
    toolCallInFragments: true,
    predictionCounters: false,
    tokenizer: 'Gemini',
    instructType: 'gemma',
    preview: false,
    quantization: null,
  }),
  model({
    id: 'qwen-3.8-27b',
    ownedBy: 'Qwen',
    name: 'Qwen 3.8 27B',
    description: 'Dense reasoning model for code and dialogue.',
    huggingFaceId: 'Qwen/Qwen3.8-27B',
    created: 0,
    // No price was published where this was read (2026-10): 0 stands for unknown.
    usdPerPromptToken: '0',
    usdPerCompletionToken: '0',
    contextTokens: { free: 65_536, paid: 131_072 },
    maxOutputTokens: { free: 32_768, paid: 40_960 },
    decodeTokensPerSecond: 1850,
    efforts: OPTIONAL_REASONING,
    thinkTags: true,
    vision: false,
    parallelToolCalls: true,
    toolCallInFragments: true,
    predictionCounters: true,
    tokenizer: 'Qwen',
    instructType: 'qwen',
    preview: false,
    quantization: null,
  }),
]

const byId = new Map(MODELS.map((entry) => [entry.id, entry]))

/** The model of that id, if the simulator serves it. */
export function findModel(id: string): Model | undefined {
  return byId.get(id)
}
