/** A call that the gateway refused or that did not reach it. Never holds the API key or a request body. */
export class ApiError extends Error {
  /** HTTP status, 0 if there was no reply. */
  readonly status: number
  /** Code of the reply (`LG_*`, or an OpenAI code on `/v1`), else `unreachable` or `bad_reply`. */
  readonly code: string
  /** Whether the same call may succeed later. */
  readonly retryable: boolean
  /** How long the gateway asks to wait, null if it does not say. */
  readonly retryAfterMs: number | null
  readonly requestId: string | null

  constructor(fields: {
    readonly message: string
    readonly status: number
    readonly code: string
    readonly retryable: boolean
    readonly retryAfterMs?: number | null
    readonly requestId?: string | null
    readonly cause?: unknown
  }) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause })
    this.name = 'ApiError'
    this.status = fields.status
    this.code = fields.code
    this.retryable = fields.retryable
    this.retryAfterMs = fields.retryAfterMs ?? null
    this.requestId = fields.requestId ?? null
  }
}

const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** Makes the error of a reply with a status of 400 or above. Its body may be anything: a proxy may have sent it. */
export function errorOfReply(status: number, headers: Headers, text: string): ApiError {
  const body = parseObject(text)
  const nested = isObject(body['error']) ? body['error'] : {}
  const code = firstString(body['code'], nested['code'], nested['type']) ?? 'http_error'
  const detail = firstString(body['detail'], body['title'], nested['message'], body['message'])
  const told = body['retryable'] ?? shouldRetry(headers)
  return new ApiError({
    status,
    code,
    message: `${status} ${code}${detail === undefined ? '' : `: ${detail}`}`,
    retryable: typeof told === 'boolean' ? told : RETRYABLE_STATUSES.has(status),
    retryAfterMs: retryAfterMs(headers),
    requestId: one(headers, 'x-request-id'),
  })
}

/** Headers as undici gives them. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>

/** One value of a header, null if it is absent. */
export function one(headers: Headers, name: string): string | null {
  const value = headers[name]
  return (Array.isArray(value) ? value[0] : value) ?? null
}

/** Seconds or a date (RFC 9110), or the finer `retry-after-ms` that OpenAI's clients read. */
function retryAfterMs(headers: Headers): number | null {
  const fine = Number(one(headers, 'retry-after-ms') ?? Number.NaN)
  if (Number.isFinite(fine)) return Math.max(0, fine)
  const text = one(headers, 'retry-after')
  if (text === null) return null
  const ms = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : null
}

function shouldRetry(headers: Headers): boolean | undefined {
  const text = one(headers, 'x-should-retry')
  return text === 'true' ? true : text === 'false' ? false : undefined
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const firstString = (...values: unknown[]): string | undefined =>
  values.find((value): value is string => typeof value === 'string' && value !== '')
