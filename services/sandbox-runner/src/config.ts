import { randomBytes } from 'node:crypto'
import { availableParallelism, hostname } from 'node:os'
import { envInt, loadConfig, logLevelSchema, secretSchema } from '@loopgate/service-kit'
import { z } from 'zod'
import { languagesSetting } from './languages-setting.ts'

const pathSchema = z.string().startsWith('/', 'expected an absolute path')

const configSchema = z.object({
  LOOPGATE_LOG_LEVEL: logLevelSchema,
  LOOPGATE_GATEWAY_URL: z.url({ protocol: /^(https?|wss?)$/, error: 'expected an http, https, ws or wss URL' }),
  LOOPGATE_RUNNER_TOKEN: secretSchema,
  LOOPGATE_RUNNER_ID: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,100}$/)
    .default(() => `${hostname().slice(0, 60)}-${randomBytes(4).toString('hex')}`),
  // Twice the cores: while one sandbox waits for the kernel another computes.
  LOOPGATE_RUNNER_SLOTS: envInt(1, 1024).default(() => availableParallelism() * 2),
  LOOPGATE_RUNNER_LANGUAGES: languagesSetting,
  LOOPGATE_RUNNER_WARM_MIN: envInt(0, 64).default(1),
  LOOPGATE_RUNNER_WARM_MAX: envInt(0, 1024).default(() => availableParallelism() * 4),
  LOOPGATE_RUNNER_UID: envInt(1, 2 ** 31 - 1).default(65_534),
  LOOPGATE_BWRAP_PATH: pathSchema.optional(),
  LOOPGATE_PYTHON_PATH: pathSchema.optional(),
  LOOPGATE_NODE_PATH: pathSchema.optional(),
  LOOPGATE_RUNSC_PATH: pathSchema.optional(),
})
export type Config = Readonly<z.infer<typeof configSchema>>

/**
 * The configuration of the runner from its environment.
 * @throws ConfigError that lists every fault, for the operator
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  return loadConfig(configSchema, env)
}

/** Path at which a gateway takes runners. */
const CONNECT_PATH = '/api/runners/connect'

/** The WebSocket address behind a base URL of a gateway, or behind a peer's address. */
export function connectUrl(base: string): string {
  const url = new URL(base)
  url.protocol = url.protocol.replace(/^http/, 'ws')
  if (!url.pathname.endsWith(CONNECT_PATH)) url.pathname = url.pathname.replace(/\/$/, '') + CONNECT_PATH
  return url.href
}
