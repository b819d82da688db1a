import type { Generation } from '../generation/generation.ts'
import type { Random } from '../generation/random.ts'
import { DONE, sse, tailMembers, usageMembers, type Envelope, type StreamEvent } from './envelope.ts'
import { splitIntoPieces } from './pieces.ts'

/** The JSON text of a whole chat completion; absent members are left out, not null. */
export function chatBody(envelope: Envelope, generation: Generation): string {
  const { content, reasoning, toolCall, finishReason } = generation
  const members = [
    ...(content === undefined ? [] : [`"content":${JSON.stringify(content)}`]),
    ...(reasoning === '' ? [] : [`"reasoning":${JSON.stringify(reasoning)}`]),
    ...(toolCall === undefined
      ? []
      : [
          `"tool_calls":[{"function":{"arguments":${JSON.stringify(toolCall.arguments)},"name":${JSON.stringify(toolCall.name)}},"id":"${toolCall.id}","type":"function"}]`,
        ]),
    '"role":"assistant"',
  ]
  return (
    `{"id":"${envelope.id}","choices":[{"finish_reason":"${finishReason}","index":0,"message":{${members.join(',')}}}],` +
    `${tailMembers(envelope, 'chat.completion')},${usageMembers(envelope, generation)}}`
  )
}

/** The events of a streamed chat completion: role, reasoning, content or tool call, finish with usage, [DONE]. */
export function chatEvents(envelope: Envelope, generation: Generation, random: Random): StreamEvent[] {
  const head = `{"id":"${envelope.id}","choices":[{"delta":`
  const tail = `,"index":0}],${tailMembers(envelope, 'chat.completion.chunk')}`
  const chunk = (delta: string, tokens: number): StreamEvent => sse(`${head}${delta}${tail}}`, tokens)

  const events: StreamEvent[] = [chunk('{"role":"assistant"}', 0)]
  for (const piece of splitIntoPieces(generation.reasoning, random)) {
    events.push(chunk(`{"reasoning":${JSON.stringify(piece.text)}}`, piece.tokens))
  }
  for (const piece of splitIntoPieces(generation.content ?? '', random)) {
    events.push(chunk(`{"content":${JSON.stringify(piece.text)}}`, piece.tokens))
  }
  for (const fragment of toolCallFragments(generation, random)) {
    events.push(chunk(`{"tool_calls":[${fragment.text}]}`, fragment.tokens))
  }
  events.push(
    sse(`${head}{},"finish_reason":"${generation.finishReason}"${tail},${usageMembers(envelope, generation)}}`),
    DONE,
  )
  return events
}

/** The first fragment names the call, the others continue its arguments; GLM sends all in one (recorded). */
function toolCallFragments({ toolCall, model }: Generation, random: Random): StreamEvent[] {
  if (toolCall === undefined) return []
  const first = (text: string, tokens: number): StreamEvent => ({
    text: `{"function":{"name":${JSON.stringify(toolCall.name)},"arguments":${JSON.stringify(text)}},"type":"function","id":"${toolCall.id}","index":0}`,
    tokens,
  })
  if (!model.toolCallInFragments) return [first(toolCall.arguments, 1)]
  const rest = splitIntoPieces(toolCall.arguments, random).map((piece) => ({
    text: `{"function":{"arguments":${JSON.stringify(piece.text)}},"type":"function","index":0}`,
    tokens: piece.tokens,
  }))
  return [first('', 1), ...rest]
}
