import type { Model } from '../models/catalogue.ts'

export type ToolCall = { readonly id: string; readonly name: string; readonly arguments: string }

/** What is generated for one request, before it is put into the shape of a surface. */
export type Generation = {
  readonly model: Model
  readonly reasoning: string
  /** Undefined where the reasoning used up the budget, or where a tool is called. */
  readonly content: string | undefined
  readonly toolCall: ToolCall | undefined
  readonly finishReason: 'stop' | 'length' | 'tool_calls'
  readonly usage: Usage
}

export type Usage = {
  readonly promptTokens: number
  readonly cachedTokens: number
  /** Reasoning included. */
  readonly completionTokens: number
  readonly reasoningTokens: number
}

/** The size of the prompt, and the most that may be generated for it, reasoning included. */
export type Budget = { readonly promptTokens: number; readonly cachedTokens: number; readonly maxTokens: number }
