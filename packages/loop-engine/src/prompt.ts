import type { LoopRequest } from '@loopgate/contracts'

const NAMES = { python: 'Python', javascript: 'JavaScript', typescript: 'TypeScript' } as const

/** Tokens that a chat template wraps around two messages, generously: gpt-oss's takes about 70. */
const TEMPLATE_TOKENS = 128

/**
 * The body of `POST /v1/chat/completions` for every sample of a loop. The user's text holds the
 * scaffold as it is, and last: the model sees exactly what its answer continues. The samples differ in
 * `x-loopgate-sample` alone, which the gateway makes the seed of: they are samples of one request, of
 * which `best` finds those that passed.
 */
export function completionBody(request: LoopRequest): Record<string, unknown> {
  const { model, temperature, topP, maxCompletionTokens } = request.sampling
  return {
    model,
    messages: messages(request),
    temperature,
    ...(topP === undefined ? {} : { top_p: topP }),
    max_completion_tokens: maxCompletionTokens,
  }
}

function messages({ goal, language, scaffold }: LoopRequest) {
  const name = NAMES[language]
  const rule =
    scaffold === ''
      ? `Answer with one fenced ${name} code block and nothing else.`
      : `Answer with the code that follows the given code, without repeating it and without a fence, or with one fenced ${name} code block that is complete in itself.`
  return [
    { role: 'system', content: `You write ${name} code that is run against tests. ${rule}` },
    { role: 'user', content: scaffold === '' ? goal : `${goal}\n\nContinue this code:\n\n${scaffold}` },
  ]
}

/**
 * An upper bound of the tokens of the prompt, while no reply has told them: with a byte-level
 * vocabulary a token has at least one byte.
 */
export function promptTokensBound(request: LoopRequest): number {
  const bytes = messages(request).reduce((sum, { content }) => sum + Buffer.byteLength(content), 0)
  return bytes + TEMPLATE_TOKENS
}
