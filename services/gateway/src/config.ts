import { createHash } from 'node:crypto'
import { type ConfiguredKey, configuredKeySchema } from '@loopgate/contracts'
import { pricesSchema } from '@loopgate/limits'
import { envBool, envInt, envJson, loadConfig, logLevelSchema, secretSchema } from '@loopgate/service-kit'
import { LIMIT_WINDOWS } from '@loopgate/generations'
import { z } from 'zod'
import { ceilingsSchema } from './executions/ceilings.ts'
import { DEFAULT_ORGANISATION, fallbacksOf, fallbacksSchema, organisationsSchema } from './upstreams/settings.ts'

const originSchema = z.url({ protocol: /^https?$/, error: 'expected an http or https URL' })
const redisUrlSchema = z.url({ protocol: /^rediss?$/, error: 'expected a redis or rediss URL' })

/** One Redis, or the nodes of a cluster: several URLs, or one with `?cluster=true`. */
const redisUrlsSchema = z
  .string()
  .refine((text) => text.split(',').every((url) => redisUrlSchema.safeParse(url).success), {
    error: 'expected a redis or rediss URL, or several separated by commas',
  })

const isCluster = (urls: string): boolean => urls.includes(',') || new URL(urls).searchParams.get('cluster') === 'true'

/** A whole number with a default, as the environment gives it. */
const number = (min: number, max: number, fallback: number) => envInt(min, max).default(fallback)

const HOUR_MS = 3_600_000

/** What the provider allows an organisation for one model; what is absent is unknown, and holds nothing back. */
const limitsSchema = z.partialRecord(z.enum(LIMIT_WINDOWS), z.int().min(1).max(1e12))
const hasDefault = (listed: readonly { readonly name: string }[]): boolean =>
  listed.some(({ name }) => name === DEFAULT_ORGANISATION)

const configSchema = z
  .object({
    LOOPGATE_HOST: z.string().default('127.0.0.1'),
    LOOPGATE_PORT: number(0, 65_535, 8080),
    LOOPGATE_ADVERTISE_URL: originSchema.optional(),
    LOOPGATE_CACHE_TIMEOUT_MS: number(1, 60_000, 150),
    LOOPGATE_REPLICA_TTL_MS: number(1000, HOUR_MS, 6000),
    LOOPGATE_LOG_LEVEL: logLevelSchema,
    LOOPGATE_REDIS_URL: redisUrlsSchema.optional(),
    LOOPGATE_QUEUE_REDIS_URL: redisUrlSchema.optional(),
    LOOPGATE_KEY_PREFIX: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/)
      .default('lg'),
    LOOPGATE_API_KEYS: envJson(z.array(configuredKeySchema)).default([]),
    LOOPGATE_ADMIN_KEY: secretSchema
      .refine((key) => key.reveal().length >= 32, 'expected at least 32 characters')
      .optional(),
    LOOPGATE_LIMIT_LEASE_MS: number(1000, HOUR_MS, 30_000),
    LOOPGATE_PRICES: envJson(pricesSchema).default({}),
    LOOPGATE_RUNNER_TOKEN: secretSchema.optional(),
    LOOPGATE_CACHE_SECRET: secretSchema.optional(),
    LOOPGATE_CACHE_TTL_SECONDS: number(1, 366 * 86_400, 604_800),
    LOOPGATE_CACHE_SHARED: envBool.default(false),
    LOOPGATE_CACHE_MEMORY_BYTES: number(0, 64 * 1024 ** 3, 64 * 1024 ** 2),
    LOOPGATE_SHED_DELAY_MS: number(10, 60_000, 100),
    LOOPGATE_SHED_HEAP_PERCENT: number(10, 100, 92),
    LOOPGATE_SHED_BODY_BYTES: number(1024, 64 * 1024 ** 3, 256 * 1024 ** 2),
    LOOPGATE_UPSTREAM_URL: originSchema.default('https://api.cerebras.ai'),
    LOOPGATE_UPSTREAM_FIRST_BYTE_MS: number(1, HOUR_MS, 60_000),
    LOOPGATE_UPSTREAM_IDLE_MS: number(1, HOUR_MS, 30_000),
    LOOPGATE_UPSTREAM_CONNECTIONS: number(1, 65_535, 4096),
    LOOPGATE_UPSTREAM_TOTAL_MS: number(1, HOUR_MS, 600_000),
    LOOPGATE_UPSTREAM_LIMITS: envJson(z.record(z.string(), z.record(z.string(), limitsSchema))).default({}),
    LOOPGATE_UPSTREAM_TRIES: number(1, 10, 3),
    LOOPGATE_QUEUE_DEADLINE_MS: number(0, HOUR_MS, 120_000),
    LOOPGATE_QUEUE_MAX: number(0, 1_000_000, 10_000),
    LOOPGATE_QUEUE_MAX_BYTES: number(0, 64 * 1024 ** 3, 256 * 1024 ** 2),
    LOOPGATE_OUTPUT_CAPS: envBool.default(true),
    LOOPGATE_SERVICE_TIERS: envBool.default(false),
    LOOPGATE_EXECUTION_QUEUE_MS: number(1, HOUR_MS, 120_000),
    LOOPGATE_EXECUTION_QUEUE_MAX: number(0, 1_000_000, 10_000),
    LOOPGATE_EXECUTION_RESULT_TTL_SECONDS: number(1, 30 * 86_400, 3_600),
    LOOPGATE_ASYNC_EXECUTIONS: number(0, 10_000, 64),
    LOOPGATE_STALL_MS: number(100, 600_000, 10_000),
    LOOPGATE_VERDICT_TTL_SECONDS: number(0, 366 * 86_400, 86_400),
    LOOPGATE_VERDICT_ENTRIES: number(1, 10_000_000, 10_000),
    LOOPGATE_EXECUTION_CEILINGS: envJson(ceilingsSchema).default({}),
    LOOPGATE_ORGANISATIONS: envJson(organisationsSchema).default([]),
    LOOPGATE_FALLBACKS: envJson(fallbacksSchema).default([]),
    CEREBRAS_API_KEY: secretSchema.optional(),
  })
  .refine(({ CEREBRAS_API_KEY: key, LOOPGATE_ORGANISATIONS: listed }) => key !== undefined || listed?.length > 0, {
    path: ['CEREBRAS_API_KEY'],
    error: 'required unless LOOPGATE_ORGANISATIONS lists an organisation with a key',
    // Told beside all other faults.
    when: () => true,
  })
  .refine(({ CEREBRAS_API_KEY: key, LOOPGATE_ORGANISATIONS: listed }) => key === undefined || !hasDefault(listed), {
    path: ['CEREBRAS_API_KEY'],
    error: `is the key of the organisation ${DEFAULT_ORGANISATION}, which LOOPGATE_ORGANISATIONS lists too`,
  })
  .superRefine(({ LOOPGATE_REDIS_URL: cache, LOOPGATE_QUEUE_REDIS_URL: queues }, context) => {
    if (cache === undefined || queues !== undefined || !redisUrlsSchema.safeParse(cache).success || !isCluster(cache))
      return
    context.addIssue({
      code: 'custom',
      path: ['LOOPGATE_QUEUE_REDIS_URL'],
      message: 'required with a Redis Cluster in LOOPGATE_REDIS_URL: queues and loops need one Redis of their own',
    })
  })
export type Config = Readonly<
  Omit<z.infer<typeof configSchema>, 'LOOPGATE_FALLBACKS'> & { LOOPGATE_FALLBACKS: ReturnType<typeof fallbacksOf> }
>

/**
 * The configuration of the gateway from its environment.
 * @throws ConfigError that lists every fault, for the operator
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const config = loadConfig(configSchema, env)
  return Object.freeze({ ...config, LOOPGATE_FALLBACKS: fallbacksOf(config.LOOPGATE_FALLBACKS, env) })
}

/** Keys that need no Redis: those of the list, and the admin key. */
export function configuredKeys({ LOOPGATE_API_KEYS: listed, LOOPGATE_ADMIN_KEY: admin }: Config): ConfiguredKey[] {
  if (admin === undefined) return listed
  const sha256 = createHash('sha256').update(admin.reveal()).digest('hex')
  return [...listed, { tenant: 'admin', name: 'LOOPGATE_ADMIN_KEY', scopes: ['admin'], sha256 }]
}

/** The configuration as text for `--print-config`: secrets, key digests and passwords in URLs removed. */
export function printableConfig(config: Config): string {
  const shown = {
    ...config,
    LOOPGATE_API_KEYS: config.LOOPGATE_API_KEYS.map((key) => ({ ...key, sha256: '[redacted]' })),
    LOOPGATE_REDIS_URL: withoutPassword(config.LOOPGATE_REDIS_URL),
    LOOPGATE_QUEUE_REDIS_URL: withoutPassword(config.LOOPGATE_QUEUE_REDIS_URL),
    LOOPGATE_UPSTREAM_URL: withoutPassword(config.LOOPGATE_UPSTREAM_URL),
    LOOPGATE_FALLBACKS: config.LOOPGATE_FALLBACKS.map((each) => ({ ...each, url: withoutPassword(each.url) })),
  }
  return JSON.stringify(shown, null, 2)
}

function withoutPassword(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  return text
    .split(',')
    .map((each) => {
      const url = new URL(each)
      if (url.password !== '') url.password = 'redacted'
      return url.href
    })
    .join(',')
}
