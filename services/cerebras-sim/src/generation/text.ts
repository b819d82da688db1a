import type { Model } from '../models/catalogue.ts'
import type { TextRequest } from '../requests/text-request.ts'
import { codeText } from './code-text.ts'
import type { Budget, Generation } from './generation.ts'
import { limitText } from './limit-text.ts'
import { digestOf, randomFromDigest } from './random.ts'
import { recordedCompletion } from './recorded.ts'
import { countTokens } from './tokens.ts'

/** The prompt as text; one given as token ids has no text the simulator could know. */
export function textPromptText({ prompt }: TextRequest): string {
  if (typeof prompt === 'string') return prompt
  return typeof prompt[0] === 'string' ? prompt[0] : ''
}

export function textPromptTokens(request: TextRequest): number {
  const { prompt } = request
  if (typeof prompt === 'string' || typeof prompt[0] === 'string') return countTokens(textPromptText(request))
  return Array.isArray(prompt[0]) ? prompt[0].length : prompt.length
}

/** Continues the prompt: the recorded completion of a HumanEval problem, else made-up code. */
export function generateText(request: TextRequest, model: Model, budget: Budget): Generation {
  const { promptTokens, cachedTokens, maxTokens } = budget
  const prompt = textPromptText(request)
  const seed = request.seed ?? 0
  const least = Math.min(maxTokens, request.min_tokens ?? 0)
  const madeUp = () =>
    codeText(randomFromDigest(digestOf(JSON.stringify(['text', model.id, seed, request.prompt]))), least)
  const full = recordedCompletion([prompt], seed) ?? madeUp()
  const answer = limitText(full, [request.stop ?? []].flat(), maxTokens)
  return {
    model,
    reasoning: '',
    content: request.echo === true ? prompt + answer.text : answer.text,
    toolCall: undefined,
    finishReason: answer.finishReason,
    usage: { promptTokens, cachedTokens, completionTokens: answer.tokens, reasoningTokens: 0 },
  }
}
