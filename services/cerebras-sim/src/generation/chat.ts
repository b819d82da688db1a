import type { Model } from '../models/catalogue.ts'
import type { ChatRequest } from '../requests/chat-request.ts'
import { textsOf, type Message } from '../requests/messages.ts'
import { codeText, reasoningText } from './code-text.ts'
import type { Budget, Generation, ToolCall } from './generation.ts'
import { limitText, type Limited } from './limit-text.ts'
import { digestOf, randomFromDigest, type Random } from './random.ts'
import { recordedCompletion } from './recorded.ts'
import { minimalInstance } from './schema-instance.ts'
import { countTokens, tokensOfLength, truncateToTokens } from './tokens.ts'

/** Frame tokens of the chat template, for each message and for the whole; an estimate. */
const TOKENS_PER_MESSAGE = 4
const TOKENS_PER_REQUEST = 3
/** The most an image costs (vendor's page on image inputs). */
const TOKENS_PER_IMAGE = 280

/** Estimated tokens of the prompt: all text, tool calls and tool definitions included. */
export function chatPromptTokens(request: ChatRequest): number {
  let units = 0
  let frame = TOKENS_PER_REQUEST
  for (const message of request.messages) {
    frame += TOKENS_PER_MESSAGE
    const { content } = message
    if (typeof content === 'string') units += content.length
    else if (Array.isArray(content)) {
      for (const part of content) {
        if (part.type === 'text') units += part.text.length
        else frame += TOKENS_PER_IMAGE
      }
    }
    if (message.role !== 'assistant') continue
    for (const text of textsOf(message.reasoning)) units += text.length
    for (const call of message.tool_calls ?? []) units += call.function.name.length + call.function.arguments.length
  }
  if (request.tools !== undefined && request.tools !== null) units += JSON.stringify(request.tools).length
  return tokensOfLength(units) + frame
}

/** The prompt as one text in the order the model reads it: what a prefix cache compares. */
export function chatPromptText(request: ChatRequest): string {
  const tools = request.tools === undefined || request.tools === null ? '' : JSON.stringify(request.tools)
  return tools + request.messages.map(({ role, content }) => `\n${role}\n${textsOf(content).join('')}`).join('')
}

/** Where a problem may stand: the user's messages from the last to the first, then all others likewise. */
function* searchOrder(messages: readonly Message[]): Generator<string> {
  for (const ofUser of [true, false]) {
    for (let index = messages.length - 1; index >= 0; index -= 1) {
      const message = messages[index]
      if (message === undefined || (message.role === 'user') !== ofUser) continue
      yield* textsOf(message.content).toReversed()
    }
  }
}

/**
 * Generates the answer to a chat request: a forced tool call, an instance of the JSON schema, the
 * recorded completion of a HumanEval problem, else made-up code. It depends on model, messages,
 * tools, format, effort and seed alone, so that stream and non-stream agree and a smaller budget
 * gives a prefix of what a larger one gives.
 */
export function generateChat(request: ChatRequest, model: Model, budget: Budget): Generation {
  const randomness = lazyRandomness(request, model)
  const thought = think(request, randomness)
  const reasoningTokens = countTokens(thought)
  const { promptTokens, cachedTokens, maxTokens } = budget
  const usage = (completionTokens: number, thinkingTokens: number) => ({
    promptTokens,
    cachedTokens,
    completionTokens,
    reasoningTokens: thinkingTokens,
  })

  if (reasoningTokens > 0 && reasoningTokens >= maxTokens) {
    const reasoning = truncateToTokens(thought, maxTokens)
    return {
      model,
      ...placeReasoning(request, model, reasoning, undefined),
      toolCall: undefined,
      finishReason: 'length',
      usage: usage(maxTokens, maxTokens),
    }
  }

  const toolCall = callTool(request, randomness)
  if (toolCall !== undefined) {
    const tokens = countTokens(toolCall.arguments) + countTokens(toolCall.name)
    return {
      model,
      ...placeReasoning(request, model, thought, undefined),
      toolCall,
      finishReason: 'tool_calls',
      usage: usage(reasoningTokens + tokens, reasoningTokens),
    }
  }

  const answer = answerTo(request, randomness, maxTokens - reasoningTokens)
  return {
    model,
    ...placeReasoning(request, model, thought, answer.text),
    toolCall: undefined,
    finishReason: answer.finishReason,
    usage: usage(reasoningTokens + answer.tokens, reasoningTokens),
  }
}

type Randomness = { readonly digest: () => string; readonly random: (purpose: string) => Random }

/** Most answers are recorded ones and need none, so the prompt is hashed only when asked. */
function lazyRandomness(request: ChatRequest, model: Model): Randomness {
  let digest: string | undefined
  const read = () => (digest ??= digestOf(JSON.stringify([model.id, request.seed ?? 0, request.messages])))
  return { digest: read, random: (purpose) => randomFromDigest(digestOf(`${purpose}\n${read()}`)) }
}

/** Models think only when an effort is asked for, so that a benchmark of plain completions stays plain. */
function think(request: ChatRequest, { random }: Randomness): string {
  const effort = request.reasoning_effort ?? 'none'
  return effort === 'none' || request.disable_reasoning === true ? '' : reasoningText(random('reasoning'), effort)
}

/** Puts the thinking where `reasoning_format` wants it. */
function placeReasoning(
  request: ChatRequest,
  model: Model,
  reasoning: string,
  content: string | undefined,
): Pick<Generation, 'reasoning' | 'content'> {
  if (reasoning === '' || request.reasoning_format === 'hidden') return { reasoning: '', content }
  if (request.reasoning_format !== 'raw') return { reasoning, content }
  const raw = model.thinkTags ? `<think>${reasoning}</think>` : reasoning
  return { reasoning: '', content: raw + (content ?? '') }
}

/** Only a tool choice that demands a call gets one: of the named function, else of the first. */
function callTool(request: ChatRequest, { digest }: Randomness): ToolCall | undefined {
  const choice = request.tool_choice
  if (choice === undefined || choice === null || choice === 'auto' || choice === 'none') return undefined
  const wanted = typeof choice === 'object' ? choice.function.name : undefined
  const tool = request.tools?.find((candidate) => wanted === undefined || candidate.function.name === wanted)
  if (tool === undefined) return undefined
  const { name, parameters } = tool.function
  return {
    id: digestOf(`tool\n${name}\n${digest()}`).slice(0, 9),
    name,
    arguments: JSON.stringify(minimalInstance(parameters ?? { type: 'object' })),
  }
}

function answerTo(request: ChatRequest, { random }: Randomness, maxTokens: number): Limited {
  const format = request.response_format
  if (format?.type === 'json_schema') {
    const schema = format.json_schema.schema ?? { type: 'object' }
    return limitText(JSON.stringify(minimalInstance(schema)), [], maxTokens)
  }
  if (format?.type === 'json_object') return limitText('{"answer":"text"}', [], maxTokens)
  const stop = [request.stop ?? []].flat()
  const recorded = recordedCompletion(searchOrder(request.messages), request.seed ?? 0)
  const least = Math.min(maxTokens, Math.max(request.min_completion_tokens ?? 0, request.min_tokens ?? 0))
  return limitText(recorded ?? codeText(random('content'), least), stop, maxTokens)
}
