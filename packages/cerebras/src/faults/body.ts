import { withoutKeys } from './concealed.ts'

/** What an error body says, whichever of its shapes it has. Empty texts of the upstream become null. */
export type FaultBody = {
  readonly message: string | null
  readonly type: string | null
  readonly param: string | null
  readonly code: string | null
  /** Status inside the body: the only one an in-stream error has. */
  readonly statusCode: number | null
}

const NOTHING: FaultBody = { message: null, type: null, param: null, code: null, statusCode: null }

/** Longest message that is passed on; a closed-schema 400 lists every field, one a line. */
const MAX_MESSAGE_CHARS = 4000

/**
 * Reads an error body: flat, nested under `error`, FastAPI `detail`, empty, HTML or any other text
 * (reference: "Three body shapes"; texts that are not JSON are not passed on). Never throws.
 */
export function readFaultBody(text: string): FaultBody {
  const value = parse(text)
  return isRecord(value) ? fromRecord(value) : NOTHING
}

/** The same for a body that is parsed already. */
export function fromRecord(value: Record<string, unknown>): FaultBody {
  const statusCode = typeof value['status_code'] === 'number' ? value['status_code'] : null
  const nested = value['error']
  if (typeof nested === 'string') return { ...NOTHING, message: clean(nested), statusCode }
  const members = isRecord(nested) ? nested : value
  return {
    message: clean(members['message'] ?? value['message']) ?? detail(value['detail']),
    type: word(members['type']),
    param: word(members['param']),
    code: word(members['code']),
    statusCode,
  }
}

/** FastAPI's `detail`: a text, or a list of {loc, msg}. */
function detail(value: unknown): string | null {
  if (!Array.isArray(value)) return clean(value)
  const lines = value.filter(isRecord).map(({ loc, msg }) => {
    const path = Array.isArray(loc) ? loc.map(String).join('.') : ''
    return [path, typeof msg === 'string' ? msg : ''].filter((part) => part !== '').join(': ')
  })
  return clean(lines.join('\n'))
}

/** A text fit to be passed on: no control characters but line ends, no key of the provider, bounded. */
function clean(value: unknown): string | null {
  if (typeof value !== 'string' || value.trim() === '') return null
  return withoutKeys(value)
    .slice(0, MAX_MESSAGE_CHARS)
    .toWellFormed()
    .replace(/[^\P{Cc}\n]/gu, ' ')
}

/** A short member such as `type` or `code`; numbers are tolerated. */
function word(value: unknown): string | null {
  if (typeof value === 'number') return String(value)
  return clean(value)?.slice(0, 200) ?? null
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
