import type { Clock } from '@loopgate/service-kit'
import type { Generation, GenerationCall } from '../types.ts'
import { numbered } from './numbered.ts'
import { paced } from './paced.ts'

export type DeliverOptions = {
  readonly clock: Clock
  readonly call: GenerationCall
  /** Null for what is never shared: it passes as it came. */
  readonly key: string | null
  /** The whole answer is there, so that a pace can be kept. */
  readonly replayed: boolean
  readonly left: () => boolean
}

/** Gives a stream the ids and the pace that its caller asked for; without such wishes it stays as it is. */
export function deliver(
  content: Generation['content'],
  { clock, call, key, replayed, left }: DeliverOptions,
): Generation['content'] {
  const { delivery, surface } = call
  if (delivery === undefined || key === null || content.kind === 'document') return content
  const { resumable, resume, eventsPerSecond } = delivery
  return {
    kind: 'stream',
    pipe(sink) {
      const slowed = replayed && eventsPerSecond !== null ? paced(sink, { clock, left }, eventsPerSecond) : sink
      return content.pipe(resumable || resume !== null ? numbered(slowed, { surface, key, resume }) : slowed)
    },
  }
}
