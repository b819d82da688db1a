import { pino, type Logger } from 'pino'
import { z } from 'zod'

export type { Logger } from 'pino'

export const logLevelSchema = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info')

/** Header and property names whose values never reach a log. */
const SECRETS = ['authorization', 'apiKey', 'api_key', 'token', 'password', 'secret', 'cookie']

/** The logger of a process: JSON lines on stdout, secrets removed wherever they stand one or two levels deep. */
export function createLogger(service: string, level: z.infer<typeof logLevelSchema>): Logger {
  return pino({
    level,
    base: { service, pid: process.pid },
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
  })
}
