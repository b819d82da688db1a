import { z } from 'zod'
import { executionRequestSchema, executionResultSchema, isolationSchema } from './execution.ts'
import { languageSchema } from './language.ts'

/**
 * Frames between runner and gateway. A WebSocket message is a JSON array of frames, batched per
 * event-loop turn. The runner dials `GET /api/runners/connect` with `authorization: Bearer <runner token>`.
 */
export const PROTOCOL_VERSION = 1
/** A message above this is refused with close code 1009. */
export const MAX_MESSAGE_BYTES = 8 * 1024 * 1024

/** Close codes of the runner socket beyond those of RFC 6455. */
export const CLOSE_CODES = {
  protocolError: 4400,
  unauthorized: 4401,
  heartbeatLost: 4408,
  replaced: 4409,
  draining: 4503,
} as const

export const runnerInfoSchema = z.object({
  runnerId: z.string().min(1).max(100),
  languages: z.array(z.object({ language: languageSchema, version: z.string().max(100) })),
  tiers: z.array(isolationSchema),
  slots: z.int().min(1).max(1024),
  selfTest: z.object({
    passed: z.boolean(),
    checks: z.array(z.object({ name: z.string(), passed: z.boolean(), detail: z.string() })),
  }),
})
export type RunnerInfo = z.infer<typeof runnerInfoSchema>

/** What a runner says. */
export const runnerFrameSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), version: z.int(), info: runnerInfoSchema }),
  z.object({ type: z.literal('accepted'), leaseId: z.string() }),
  z.object({ type: z.literal('busy'), leaseId: z.string() }),
  z.object({ type: z.literal('result'), leaseId: z.string(), result: executionResultSchema }),
  z.object({ type: z.literal('draining') }),
  z.object({ type: z.literal('pong') }),
])
export type RunnerFrame = z.infer<typeof runnerFrameSchema>

/** What the gateway says. */
export const gatewayFrameSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('welcome'),
    version: z.int(),
    gatewayId: z.string(),
    peers: z.array(z.string()).describe('WebSocket URLs of the other replicas'),
    heartbeatMs: z.int(),
  }),
  z.object({
    type: z.literal('execute'),
    leaseId: z.string(),
    executionId: z.string(),
    deadlineMs: z.int().describe('The lease lapses this long after the frame was sent'),
    request: executionRequestSchema,
  }),
  z.object({
    type: z.literal('peers'),
    peers: z.array(z.string()).describe('WebSocket URLs of the other replicas, which have changed since the welcome'),
  }),
  z.object({ type: z.literal('cancel'), leaseId: z.string() }),
  z.object({ type: z.literal('ack'), leaseId: z.string() }),
  z.object({ type: z.literal('drain') }),
  z.object({ type: z.literal('ping') }),
])
export type GatewayFrame = z.infer<typeof gatewayFrameSchema>

/** `GET /api/runners`: one attached runner as this replica sees it. */
export const runnerViewSchema = runnerInfoSchema.extend({
  state: z.enum(['ready', 'draining']),
  busySlots: z.int(),
  connectedAt: z.iso.datetime(),
})
export type RunnerView = z.infer<typeof runnerViewSchema>
