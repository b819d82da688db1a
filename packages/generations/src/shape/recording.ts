import { type Facts, factsOfReply } from '@loopgate/cerebras'
import type { Surface, Usage } from '@loopgate/contracts'
import { assemble } from './assemble.ts'
import { derive } from './derive.ts'
import { type Json, objects, parseObject } from './json.ts'

export type Kind = 'stream' | 'document'

/** A whole answer as the upstream gave it, byte for byte. */
export type Recording = {
  readonly kind: Kind
  readonly bytes: Buffer
  /** Where a chunk lies that holds usage and no choice: [offset, length]. */
  readonly usageOnly: readonly [number, number] | null
  readonly usage: Usage | null
}

/** The recording as one JSON document. */
export function asDocument(surface: Surface, { kind, bytes }: Recording): Buffer {
  return kind === 'document' ? bytes : Buffer.from(JSON.stringify(assemble(surface, bytes)))
}

/** The recording as a stream; `includeUsage` keeps a chunk of usage alone, if there is one. */
export function asStream(surface: Surface, recording: Recording, includeUsage: boolean): Buffer {
  const { kind, bytes, usageOnly } = recording
  if (kind === 'document') return derive(surface, parseObject(bytes.toString('utf8')) ?? {})
  if (usageOnly === null || includeUsage) return bytes
  const [offset, length] = usageOnly
  return Buffer.concat([bytes.subarray(0, offset), bytes.subarray(offset + length)])
}

const WHOLE: ReadonlySet<string> = new Set(['stop', 'tool_calls'])
const WHOLE_OR_LENGTH: ReadonlySet<string> = new Set([...WHOLE, 'length'])
const TOOL_CALLS = Buffer.from('"tool_calls"')

/**
 * Whether an answer may be given again: every choice ended by itself (not by a filter or an error,
 * nor by length unless that is wanted), and the arguments of its tool calls are JSON.
 */
export function isWorthKeeping(
  surface: Surface,
  recording: Recording,
  finishReasons: readonly string[],
  keepsLength = false,
): boolean {
  const ends = keepsLength ? WHOLE_OR_LENGTH : WHOLE
  if (finishReasons.length === 0 || !finishReasons.every((reason) => ends.has(reason))) return false
  if (!recording.bytes.includes(TOOL_CALLS)) return true
  const reply = parseObject(asDocument(surface, recording).toString('utf8'))
  return objects(reply?.['choices']).every(argumentsAreJson)
}

function argumentsAreJson({ message }: Json): boolean {
  const calls = objects((message as Json | undefined)?.['tool_calls'])
  return calls.every(({ function: called }) => {
    const text = (called as Json | undefined)?.['arguments']
    return text === undefined || (typeof text === 'string' && isJson(text))
  })
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Facts of a document, or null if the bytes are no completion. */
export function factsOfDocument(bytes: Buffer): Facts | null {
  const reply = parseObject(bytes.toString('utf8'))
  return reply === null ? null : factsOfReply(reply)
}
