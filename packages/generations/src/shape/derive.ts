import type { Surface } from '@loopgate/contracts'
import { isObject, objects, type Json } from './json.ts'

/** Members that every chunk repeats; all others of a reply stand in its last chunk. */
const REPEATED = new Set(['id', 'created', 'model', 'system_fingerprint'])
/** Texts that are shown as they grow. */
const GROWING = ['reasoning', 'content']
/** Characters of a text in one chunk. */
const PIECE_CHARS = 256

/** The stream that a document could have been: the chunks that `assemble` makes the document from again. */
export function derive(surface: Surface, reply: Json): Buffer {
  const repeated: Json = {}
  const last: Json = {}
  for (const [name, value] of Object.entries(reply)) {
    if (name === 'choices' || name === 'object') continue
    put(REPEATED.has(name) ? repeated : last, name, value)
  }
  const kind = surface === 'chat' ? 'chat.completion.chunk' : 'text_completion'
  const choices = objects(reply['choices']).flatMap((choice) => partsOf(surface, choice))
  const events = choices.map((choice, index) => {
    const chunk = { ...repeated, object: kind, choices: [choice], ...(index === choices.length - 1 ? last : {}) }
    return `data: ${JSON.stringify(chunk)}\n\n`
  })
  return Buffer.from(`${events.join('')}data: [DONE]\n\n`)
}

/** One choice as a row of chunks' choices, the finish reason in the last. */
function partsOf(surface: Surface, choice: Json): Json[] {
  const { index, message, text, ...rest } = choice
  const parts =
    surface === 'chat' ? deltas(message).map((delta) => ({ delta })) : pieces(text).map((text) => ({ text }))
  const end = surface === 'chat' ? { delta: {} } : parts.length > 0 ? { text: '' } : {}
  return [...parts, { ...end, ...rest }].map((part) => ({ index, ...part }))
}

/** Role and whole members first, then the texts that grow, then each tool call. */
function deltas(message: unknown): Json[] {
  if (!isObject(message)) return []
  const first: Json = {}
  const growing: Json[] = []
  const calls: Json[] = []
  for (const [name, value] of Object.entries(message)) {
    if (name === 'tool_calls' && Array.isArray(value) && value.length > 0) {
      objects(value).forEach((call, index) => calls.push({ tool_calls: [{ ...call, index }] }))
    } else if (!GROWING.includes(name) || typeof value !== 'string') put(first, name, value)
  }
  for (const name of GROWING) for (const piece of pieces(message[name])) growing.push({ [name]: piece })
  return [first, ...growing, ...calls]
}

/** A text in pieces that never part a surrogate pair; an empty text is one empty piece. */
function pieces(text: unknown): string[] {
  if (typeof text !== 'string') return []
  const found: string[] = []
  for (let start = 0; start < text.length || start === 0;) {
    let end = start + PIECE_CHARS
    if (isHighSurrogate(text.charCodeAt(end - 1))) end++
    found.push(text.slice(start, end))
    start = end
  }
  return found
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff

/** Sets a member whatever its name, `__proto__` included. */
function put(target: Json, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, writable: true, configurable: true })
}
