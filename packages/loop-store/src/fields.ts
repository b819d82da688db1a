import type { Accepted, LoopRequest, LoopState, LoopView } from '@loopgate/contracts'
import type { LoopSnapshot, Judgement } from './types.ts'

/** The hash of a loop as Redis gives it. */
export type Fields = Readonly<Record<string, string>>

/** HGETALL inside a script answers a flat list. */
export function pairs(flat: readonly string[]): Fields {
  const fields: Record<string, string> = {}
  for (let index = 0; index + 1 < flat.length; index += 2) fields[flat[index] as string] = flat[index + 1] as string
  return fields
}

const int = (fields: Fields, name: string): number => Number(fields[name] ?? 0)

/** The public view of a loop. The texts were written by this package, so they are not checked again. */
export function toView(id: string, fields: Fields): LoopView {
  const accepted = fields['accepted']
  return {
    id,
    state: fields['state'] as LoopState,
    reason: fields['reason'] ?? null,
    counts: {
      iterations: int(fields, 'committed'),
      waves: int(fields, 'waves'),
      duplicates: int(fields, 'duplicates'),
      executions: int(fields, 'executions'),
      tokens: int(fields, 'tokens'),
      generations: {
        hit: int(fields, 'hit'),
        miss: int(fields, 'miss'),
        coalesced: int(fields, 'coalesced'),
        bypass: int(fields, 'bypass'),
      },
    },
    accepted: accepted === undefined ? null : (JSON.parse(accepted) as Accepted),
    request: JSON.parse(fields['request'] ?? 'null') as LoopRequest,
    createdAt: new Date(int(fields, 'createdAt')).toISOString(),
    updatedAt: new Date(int(fields, 'updatedAt')).toISOString(),
    lastSeq: int(fields, 'lastSeq'),
  }
}

/** What a slice resumes from. */
export function toSnapshot(id: string, fields: Fields, seen: Fields): LoopSnapshot {
  return {
    tenant: fields['tenant'] ?? '',
    view: toView(id, fields),
    committed: int(fields, 'committed'),
    waveEnd: int(fields, 'waveEnd'),
    promptTokens: int(fields, 'promptTokens'),
    startedAtMs: int(fields, 'startedAt'),
    seen: new Map(Object.entries(seen).map(([sha256, text]) => [sha256, JSON.parse(text) as Judgement])),
  }
}
