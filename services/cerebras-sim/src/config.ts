import { envBool, envInt, envJson, loadConfig, logLevelSchema } from '@loopgate/service-kit'
import { z } from 'zod'
import { faultSpec, type Fault } from './faults/spec.ts'
import type { Quota } from './limits/tiers.ts'

/** What the simulator does; every member is a plain value, so that tests and tools can give it directly. */
export type SimulatorConfig = {
  /** Keys it accepts; null accepts every key that begins with `csk-`. */
  readonly keys: readonly string[] | null
  /** Pace of decoding; 0 is as fast as possible. */
  readonly tokensPerSecond: number
  /** Rate limits of that tier, or none. */
  readonly limits: 'off' | 'free' | 'developer'
  /** Organisations whose rate limits are others than those, for every model. */
  readonly quotas: Readonly<Record<string, Quota>>
  /** Whether a 429 of a bucket carries `retry-after`. */
  readonly retryAfter: boolean
  /** Whether a request is debited what it used, or what it reserved. */
  readonly refund: boolean
  /** Whether repeated prompt prefixes are reported as cached tokens. */
  readonly promptCache: boolean
  /** Generations at once, beyond which it answers `queue_exceeded`; 0 is no bound. */
  readonly maxInFlight: number
  /** Largest body it takes, also after unpacking. */
  readonly maxBodyBytes: number
  /** Faults set from the start. */
  readonly faults: readonly Fault[]
}

export const DEFAULT_CONFIG: SimulatorConfig = {
  keys: null,
  tokensPerSecond: 0,
  limits: 'off',
  quotas: {},
  retryAfter: false,
  refund: true,
  promptCache: false,
  maxInFlight: 0,
  // Ten images of a paid request may have 10 MB; base64 and the rest of the body come on top.
  maxBodyBytes: 16 * 1024 * 1024,
  faults: [],
}

const environment = z.object({
  LOOPGATE_LOG_LEVEL: logLevelSchema,
  LOOPGATE_SIM_HOST: z.string().default('127.0.0.1'),
  LOOPGATE_SIM_PORT: envInt(0, 65_535).default(8081),
  LOOPGATE_SIM_KEYS: z
    .string()
    .transform((list) => list.split(',').map((key) => key.trim()))
    .optional(),
  LOOPGATE_SIM_TOKENS_PER_SECOND: envInt(0, 1_000_000).default(DEFAULT_CONFIG.tokensPerSecond),
  LOOPGATE_SIM_LIMITS: z.enum(['off', 'free', 'developer']).default(DEFAULT_CONFIG.limits),
  LOOPGATE_SIM_RETRY_AFTER: envBool.default(DEFAULT_CONFIG.retryAfter),
  LOOPGATE_SIM_REFUND: envBool.default(DEFAULT_CONFIG.refund),
  LOOPGATE_SIM_PROMPT_CACHE: envBool.default(DEFAULT_CONFIG.promptCache),
  LOOPGATE_SIM_MAX_IN_FLIGHT: envInt(0, 1_000_000).default(DEFAULT_CONFIG.maxInFlight),
  LOOPGATE_SIM_FAULTS: envJson(z.array(faultSpec)).default([]),
})

export type ServerConfig = {
  readonly logLevel: z.infer<typeof logLevelSchema>
  readonly host: string
  readonly port: number
  readonly simulator: SimulatorConfig
}

/**
 * Reads the environment.
 * @throws ConfigError with every fault at once
 */
export function readConfig(env: NodeJS.ProcessEnv): ServerConfig {
  const values = loadConfig(environment, env)
  return {
    logLevel: values.LOOPGATE_LOG_LEVEL,
    host: values.LOOPGATE_SIM_HOST,
    port: values.LOOPGATE_SIM_PORT,
    simulator: {
      keys: values.LOOPGATE_SIM_KEYS ?? DEFAULT_CONFIG.keys,
      tokensPerSecond: values.LOOPGATE_SIM_TOKENS_PER_SECOND,
      limits: values.LOOPGATE_SIM_LIMITS,
      quotas: DEFAULT_CONFIG.quotas,
      retryAfter: values.LOOPGATE_SIM_RETRY_AFTER,
      refund: values.LOOPGATE_SIM_REFUND,
      promptCache: values.LOOPGATE_SIM_PROMPT_CACHE,
      maxInFlight: values.LOOPGATE_SIM_MAX_IN_FLIGHT,
      maxBodyBytes: DEFAULT_CONFIG.maxBodyBytes,
      faults: values.LOOPGATE_SIM_FAULTS,
    },
  }
}
