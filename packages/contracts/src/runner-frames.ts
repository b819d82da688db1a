import { z } from 'zod'
import { executionResultSchema, isolationSchema } from './execution.ts'
import { languageSchema } from './language.ts'

/*
 * Frames between runner and gateway. A WebSocket message is a JSON array of frames, batched per
 * event-loop turn; a frame that is larger than a message travels as binary messages (see
 * packages/runner-wire). The runner dials `GET /api/runners/connect` with its token as a bearer.
 */

/**
 * Version of the protocol. Another major version is refused with a close reason. Under one major
 * version both sides speak the lower of their minor versions: neither sends a frame, or a value of an
 * enumeration, that the other's minor version lacks, and frames and fields of a newer one are ignored.
 */
export const PROTOCOL_VERSION = 2
export const PROTOCOL_MINOR = 0
/** A message above this is refused with close code 1009. */
export const MAX_MESSAGE_BYTES = 1024 * 1024
/** A frame above this is refused, in however many messages it comes. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024

/** Close codes of the runner socket beyond those of RFC 6455. */
export const CLOSE_CODES = {
  protocolError: 4400,
  unauthorized: 4401,
  heartbeatLost: 4408,
  replaced: 4409,
  draining: 4503,
} as const

/** Name of a runner: it stands in logs, paths and credentials. */
export const runnerIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,100}$/, 'expected 1 to 100 letters, digits, dots, dashes or underscores')

export const runnerInfoSchema = z.object({
  runnerId: runnerIdSchema,
  languages: z.array(
    z.object({
      language: languageSchema,
      version: z.string().max(100),
      tiers: z
        .array(isolationSchema)
        .optional()
        .describe('Tiers that run it here; absent from older runners, whose tiers run all their languages'),
    }),
  ),
  tiers: z.array(isolationSchema),
  slots: z.int().min(1).max(1024),
  selfTest: z.object({
    passed: z.boolean(),
    checks: z.array(z.object({ name: z.string(), passed: z.boolean(), detail: z.string() })),
  }),
})
export type RunnerInfo = z.infer<typeof runnerInfoSchema>

/** Longest list that a greeting may announce. */
const ANNOUNCED_MAX = 1_000

/** A list whose entries of a kind that is not known here are left out. */
const knownOnly = <T extends z.ZodType>(entry: T) =>
  z
    .array(z.unknown())
    .max(ANNOUNCED_MAX)
    .transform((entries) =>
      entries.flatMap((each): z.infer<T>[] => {
        const known = entry.safeParse(each)
        return known.success ? [known.data] : []
      }),
    )

/** What a runner announces may name tiers and languages that came after this version. */
const announcedSchema = runnerInfoSchema.extend({
  languages: knownOnly(
    runnerInfoSchema.shape.languages.element.extend({ tiers: knownOnly(isolationSchema).optional() }),
  ),
  tiers: knownOnly(isolationSchema),
})

const versionFields = { version: z.int(), minor: z.int().min(0).default(0) }
const leaseId = z.string().min(1).max(100)

export const outputStreamSchema = z.enum(['stdout', 'stderr'])
export type OutputStream = z.infer<typeof outputStreamSchema>

/** What a runner says. */
export const runnerFrameSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), ...versionFields, info: announcedSchema }),
  z.object({ type: z.literal('accepted'), leaseId }),
  z.object({ type: z.literal('busy'), leaseId }),
  z.object({
    type: z.literal('refused'),
    leaseId,
    reason: z.string().max(1000).describe('Why this runner can never run it, such as a field that it does not know'),
  }),
  z.object({
    type: z.literal('output'),
    leaseId,
    stream: outputStreamSchema,
    seq: z.int().min(0).describe('Counts the output frames of the lease, without gaps'),
    text: z.string().describe('Decoded as UTF-8 with no character cut in two'),
    skippedBytes: z.int().min(0).describe('Bytes left out before it because the gateway did not keep up'),
  }),
  z.object({ type: z.literal('result'), leaseId, result: executionResultSchema }),
  z.object({ type: z.literal('load'), running: z.int().min(0).describe('Executions of all gateways') }),
  z.object({ type: z.literal('draining') }),
  z.object({ type: z.literal('pong') }),
])
export type RunnerFrame = z.infer<typeof runnerFrameSchema>

/** What the gateway says. */
export const gatewayFrameSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('welcome'),
    ...versionFields,
    gatewayId: z.string(),
    peers: z.array(z.string()).describe('WebSocket URLs of the other replicas'),
    heartbeatMs: z.int(),
  }),
  z.object({
    type: z.literal('execute'),
    leaseId,
    executionId: z.string(),
    deadlineMs: z.int().describe('The lease lapses this long after the frame was sent'),
    output: z.boolean().default(false).describe('Whether output is wanted while it comes'),
    tenant: z
      .string()
      .max(64)
      .optional()
      .describe('Opaque and the same on every replica: executions of different tenants share no process'),
    request: z.unknown().describe('An ExecutionRequest; one with something unknown in it is answered with refused'),
  }),
  z.object({
    type: z.literal('peers'),
    peers: z.array(z.string()).describe('WebSocket URLs of the other replicas, which have changed since the welcome'),
  }),
  z.object({ type: z.literal('cancel'), leaseId }),
  z.object({ type: z.literal('ack'), leaseId }),
  z.object({ type: z.literal('drain') }).describe('This replica gives out nothing more'),
  z.object({ type: z.literal('retire') }).describe('The runner takes nothing more, of any replica'),
  z.object({ type: z.literal('ping') }),
])
export type GatewayFrame = z.infer<typeof gatewayFrameSchema>

/** `GET /api/runners`: one attached runner as this replica sees it. */
export const runnerViewSchema = runnerInfoSchema.extend({
  state: z.enum(['ready', 'draining']),
  busySlots: z.int().describe('Slots taken by executions of this replica'),
  running: z.int().describe('Executions of all replicas, as the runner said last'),
  protocol: z.string().describe('Version of the protocol that the runner speaks'),
  connectedAt: z.iso.datetime(),
})
export type RunnerView = z.infer<typeof runnerViewSchema>
