import type { z } from 'zod'
import { chatPromptText, chatPromptTokens, generateChat } from '../generation/chat.ts'
import type { Budget, Generation } from '../generation/generation.ts'
import type { Random } from '../generation/random.ts'
import { generateText, textPromptText, textPromptTokens } from '../generation/text.ts'
import type { ErrorReply } from '../http/errors.ts'
import type { Model } from '../models/catalogue.ts'
import { chatRequest, type ChatRequest } from '../requests/chat-request.ts'
import { chatRuleError, textRuleError } from '../requests/rules.ts'
import { textRequest, type TextRequest } from '../requests/text-request.ts'
import { chatBody, chatEvents } from './chat-shape.ts'
import type { Envelope, StreamEvent } from './envelope.ts'
import { textBody, textEvents } from './text-shape.ts'

type AnyRequest = { readonly model: string; readonly stream?: boolean | null | undefined }

/** One of the two completion endpoints: how its requests are read, answered and written. */
export type Surface<Request extends AnyRequest> = {
  readonly path: string
  readonly idPrefix: string
  readonly schema: z.ZodType<Request>
  readonly ruleError: (request: Request, model: Model) => ErrorReply | undefined
  /** The bound on the output that the request asks for; undefined or below 1 is none. */
  readonly requestedTokens: (request: Request) => number | null | undefined
  readonly promptTokens: (request: Request) => number
  readonly promptText: (request: Request) => string
  readonly generate: (request: Request, model: Model, budget: Budget) => Generation
  readonly body: (envelope: Envelope, generation: Generation) => string
  readonly events: (envelope: Envelope, generation: Generation, random: Random) => StreamEvent[]
}

export const chatSurface: Surface<ChatRequest> = {
  path: '/v1/chat/completions',
  idPrefix: 'chatcmpl-',
  schema: chatRequest,
  ruleError: chatRuleError,
  requestedTokens: (request) => request.max_completion_tokens ?? request.max_tokens,
  promptTokens: chatPromptTokens,
  promptText: chatPromptText,
  generate: generateChat,
  body: chatBody,
  events: chatEvents,
}

export const textSurface: Surface<TextRequest> = {
  path: '/v1/completions',
  idPrefix: 'cmpl-',
  schema: textRequest,
  ruleError: textRuleError,
  requestedTokens: (request) => request.max_tokens,
  promptTokens: textPromptTokens,
  promptText: textPromptText,
  generate: generateText,
  body: textBody,
  events: textEvents,
}
