import type { Generation } from '../generation/generation.ts'
import type { Random } from '../generation/random.ts'
import { DONE, sse, tailMembers, usageMembers, type Envelope, type StreamEvent } from './envelope.ts'
import { splitIntoPieces } from './pieces.ts'

/** The JSON text of a whole text completion. */
export function textBody(envelope: Envelope, generation: Generation): string {
  return (
    `{"id":"${envelope.id}","choices":[{"finish_reason":"${generation.finishReason}","index":0,` +
    `"text":${JSON.stringify(generation.content ?? '')}}],` +
    `${tailMembers(envelope, 'text_completion')},${usageMembers(envelope, generation)}}`
  )
}

/** The events of a streamed text completion; no recording is known, so they follow those of chat. */
export function textEvents(envelope: Envelope, generation: Generation, random: Random): StreamEvent[] {
  const head = `{"id":"${envelope.id}","choices":[{`
  const tail = `"index":0}],${tailMembers(envelope, 'text_completion')}`
  return [
    ...splitIntoPieces(generation.content ?? '', random).map((piece) =>
      sse(`${head}"text":${JSON.stringify(piece.text)},${tail}}`, piece.tokens),
    ),
    sse(`${head}"text":"","finish_reason":"${generation.finishReason}",${tail},${usageMembers(envelope, generation)}}`),
    DONE,
  ]
}
