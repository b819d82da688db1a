import { parseEvent, splitEvents } from '@loopgate/cerebras'
import type { Surface } from '@loopgate/contracts'
import { ERRORS, type LoopgateError } from '@loopgate/service-kit'
import { object, parseObject, type Json } from './json.ts'

/**
 * A fault as the last event of a stream that has begun: a full chunk with finish_reason "error" and
 * the error in it, nested and at the top. The one form that openai, the Cerebras SDK, both AI SDK
 * providers and LangChain all take as an error (measured with openai 6.49, Cerebras 1.91, ai 6.0,
 * 2026-11). No `[DONE]` follows.
 */
export function errorChunk(surface: Surface, sent: Buffer | null, error: LoopgateError): Buffer {
  const like = firstChunk(sent)
  const members = {
    // As everywhere: the detail of a fault of ours or of the upstream's stays in the log.
    message: error.statusCode >= 500 ? ERRORS[error.code].message : error.message,
    type: error.type,
    param: error.param,
    code: error.openaiCode,
  }
  const choice = surface === 'chat' ? { index: 0, delta: {} } : { index: 0, text: '' }
  const chunk = {
    id: like['id'] ?? 'chatcmpl-error',
    choices: [{ ...choice, finish_reason: 'error' }],
    created: like['created'] ?? 0,
    model: like['model'] ?? '',
    object: surface === 'chat' ? 'chat.completion.chunk' : 'text_completion',
    error: members,
    ...members,
  }
  return Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`)
}

/** The first chunk of what was sent, for the members that every chunk of a stream repeats. */
function firstChunk(sent: Buffer | null): Json {
  for (const event of sent === null ? [] : splitEvents(sent)) {
    const chunk = parseObject(parseEvent(event)?.data ?? '')
    if (chunk !== null) return chunk
  }
  return object()
}
