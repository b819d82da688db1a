import { invalidImage, invalidRequest, invalidResponseFormat, type ErrorReply } from '../http/errors.ts'
import type { Model } from '../models/catalogue.ts'
import type { ChatRequest } from './chat-request.ts'
import { strictSchemaProblems } from './strict-schema.ts'
import type { TextRequest } from './text-request.ts'
import { toolMessageProblems } from './tool-messages.ts'

/** How many images a request may carry (paid tier; vendor's page on image inputs). */
const MAX_IMAGES = 5

/**
 * What the schema cannot say about a chat request; undefined if all is well. The vendor documents
 * these rules; the texts are ours, but for those about images.
 */
export function chatRuleError(request: ChatRequest, model: Model): ErrorReply | undefined {
  const problems = [...toolMessageProblems(request.messages), ...fieldProblems(request, model)]
  if (problems.length > 0) return invalidRequest(problems)
  return imageError(request, model) ?? formatError(request)
}

function fieldProblems(request: ChatRequest, model: Model): string[] {
  const problems: string[] = []
  const hasTools = (request.tools?.length ?? 0) > 0
  if (isSet(request.tool_choice) && !hasTools) {
    problems.push("body.tool_choice: 'tool_choice' is only allowed when 'tools' are specified")
  }
  if (isSet(request.top_logprobs) && request.logprobs !== true) {
    problems.push("body.top_logprobs: 'logprobs' must be true when 'top_logprobs' is set")
  }
  if (isSet(request.reasoning_effort) && !model.efforts.includes(request.reasoning_effort)) {
    problems.push(
      `body.reasoning_effort: '${request.reasoning_effort}' is not supported by ${model.id}; supported: ${model.efforts.join(', ')}`,
    )
  }
  if (isSet(request.clear_thinking) && model.id !== 'zai-glm-4.7') {
    problems.push(`body.clear_thinking: property 'body.clear_thinking' is not supported by ${model.id}`)
  }
  problems.push(...singleChoiceProblems(request))
  if (typeof request.tool_choice === 'object' && request.tool_choice !== null) {
    const { name } = request.tool_choice.function
    const offered = request.tools?.some((tool) => tool.function.name === name) ?? false
    if (hasTools && !offered) problems.push(`body.tool_choice: function '${name}' is not among the tools`)
  }
  return problems
}

/** Whether the real API serves several choices is unknown, so the simulator refuses them aloud. */
const singleChoiceProblems = (request: { readonly n?: number | null | undefined }): string[] =>
  (request.n ?? 1) > 1 ? ['body.n: only 1 choice is supported'] : []

function imageError(request: ChatRequest, model: Model): ErrorReply | undefined {
  const sources = request.messages.flatMap((message) =>
    Array.isArray(message.content)
      ? message.content.flatMap((part) => {
          if (part.type === 'image_url') return [part.image_url.url]
          return part.type === 'image' ? [part.image] : []
        })
      : [],
  )
  if (sources.length === 0) return undefined
  if (!model.vision) return invalidImage(`Model ${model.id} does not support image inputs`)
  if (sources.length > MAX_IMAGES) {
    return { ...invalidImage('Number of image inputs exceeds maximum'), status: 413 }
  }
  if (sources.some((source) => /^https?:/i.test(source))) {
    return invalidImage('HTTPS image URLs are not supported. Use a base64 data URI.')
  }
  const decodable = sources.every((source) => /^data:image\/(?:png|jpeg);base64,[A-Za-z0-9+/]+=*$/.test(source))
  return decodable ? undefined : invalidImage('Image data could not be decoded')
}

function formatError(request: ChatRequest): ErrorReply | undefined {
  const format = request.response_format
  if (!isSet(format) || format.type === 'text') return undefined
  if (format.type === 'json_object' && request.stream === true) {
    return invalidResponseFormat(["response_format 'json_object' is not supported with streaming"])
  }
  if (request.reasoning_format === 'raw') {
    return invalidResponseFormat([`response_format '${format.type}' is not supported with reasoning_format 'raw'`])
  }
  if (format.type === 'json_schema' && format.json_schema.strict === true) {
    const problems = strictSchemaProblems(format.json_schema.schema ?? {})
    if (problems.length > 0) return invalidResponseFormat(problems)
  }
  return undefined
}

/** The same for a text completion. */
export function textRuleError(request: TextRequest): ErrorReply | undefined {
  const problems = singleChoiceProblems(request)
  if ((request.best_of ?? 1) > 1) problems.push('body.best_of: only 1 choice is supported')
  if (isSet(request.suffix)) problems.push("body.suffix: 'suffix' is not supported")
  if (request.return_raw_tokens === true) problems.push("body.return_raw_tokens: 'return_raw_tokens' is not supported")
  const several = Array.isArray(request.prompt) && typeof request.prompt[0] !== 'number' && request.prompt.length > 1
  if (several) problems.push('body.prompt: only 1 prompt is supported')
  return problems.length > 0 ? invalidRequest(problems) : undefined
}

const isSet = <T>(value: T | null | undefined): value is T => value !== undefined && value !== null
