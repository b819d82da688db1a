import { z } from 'zod'

/** Faults that are a whole answer of their own, in place of a completion. */
const ANSWERS = [
  /** 429 of the request bucket; `window` says which. */
  'request_quota_exceeded',
  /** 429 of the token bucket; `window` says which. */
  'token_quota_exceeded',
  /** 429 of the provider's own congestion. */
  'queue_exceeded',
  /** 402. */
  'payment_required',
  /** 500 in the nested shape. */
  'server_error',
  /** 502 of the edge, in HTML. */
  'bad_gateway',
  /** 503 in the nested shape. */
  'unavailable',
] as const

/** Faults of the connection or of a stream that has begun. */
const BREAKS = [
  /** The socket is closed after `afterChunks` events: the body is not even ended. */
  'cut',
  /** The body is ended in good order after `afterChunks` events, with neither finish chunk nor [DONE]. */
  'truncate',
  /** An error event after `afterChunks` events, then the end of the body. */
  'error_chunk',
  /** Silence after `afterChunks` events: for `delayMs`, else until the client leaves. */
  'stall',
  /** TCP reset before the first byte. */
  'reset',
  /** The answer begins `delayMs` late. */
  'slow_first_byte',
] as const

export type FaultAnswer = (typeof ANSWERS)[number]
export type FaultBreak = (typeof BREAKS)[number]

export const faultSpec = z.strictObject({
  kind: z.enum([...ANSWERS, ...BREAKS]),
  /** How many of the next requests meet the fault; until cleared if absent. */
  count: z.int().min(1).optional(),
  /** Only requests for this model. */
  model: z.string().min(1).optional(),
  /** Only requests of this organisation. */
  organisation: z.string().min(1).optional(),
  /** Events written before a break; the first one is the role chunk. */
  afterChunks: z.int().min(0).max(1_000_000).default(2),
  delayMs: z.int().min(0).max(3_600_000).optional(),
  window: z.enum(['minute', 'hour', 'day']).default('minute'),
  /** Sent as `retry-after` with a 429 or 503; the real API is not known to send any. */
  retryAfterSeconds: z.number().min(0).optional(),
})
/** A fault as a caller writes it. */
export type FaultSpec = z.input<typeof faultSpec>
/** A fault with its defaults filled in. */
export type Fault = z.output<typeof faultSpec>

/** Checks a fault or a list of them; the findings name the field. */
export function readFaults(body: unknown): z.ZodSafeParseResult<Fault[]> {
  return Array.isArray(body)
    ? z.array(faultSpec).min(1).safeParse(body)
    : faultSpec.transform((fault) => [fault]).safeParse(body)
}

/** One line a finding, fit for a 400. */
export const explainFault = (error: z.ZodError): Array<{ readonly path: string; readonly expected: string }> =>
  error.issues.map(({ path, message }) => ({ path: path.join('.'), expected: message }))

export const isAnswer = (kind: Fault['kind']): kind is FaultAnswer => (ANSWERS as readonly string[]).includes(kind)

/** Header of one request that asks for a fault: `cut;afterChunks=5`. Only the simulator knows it. */
export const FAULT_HEADER = 'x-sim-fault'

/** Reads the header's value: the kind, then `name=value` pairs behind semicolons. */
export function parseFaultHeader(value: string): z.ZodSafeParseResult<Fault> {
  const [kind, ...pairs] = value.split(';').map((part) => part.trim())
  const fields = pairs
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', ...rest] = pair.split('=')
      const text = rest.join('=')
      return [name, /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : text] as const
    })
  return faultSpec.safeParse({ ...Object.fromEntries(fields), kind })
}
