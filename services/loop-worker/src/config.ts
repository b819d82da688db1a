import { envInt, logLevelSchema, secretSchema } from '@loopgate/service-kit'
import { z } from 'zod'

/** The environment of the loop-worker; `docs/configuration.md` tells what each name means. */
export const configSchema = z.object({
  LOOPGATE_LOG_LEVEL: logLevelSchema,
  LOOPGATE_REDIS_URL: z.url({ protocol: /^rediss?$/ }),
  LOOPGATE_QUEUE_REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
  LOOPGATE_KEY_PREFIX: z.string().min(1).max(50).default('lg'),
  LOOPGATE_GATEWAY_URL: z.url({ protocol: /^https?$/ }),
  LOOPGATE_SERVICE_KEY: secretSchema,
  LOOPGATE_WORKER_CONCURRENCY: envInt(1, 1_000).prefault('32'),
  LOOPGATE_HOST: z.string().min(1).default('127.0.0.1'),
  LOOPGATE_WORKER_PORT: envInt(0, 65_535).prefault('0'),
  LOOPGATE_SLICE_MS: envInt(1, 600_000).prefault('5000'),
  LOOPGATE_STALL_MS: envInt(100, 600_000).prefault('10000'),
})
