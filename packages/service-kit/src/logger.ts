import { pino, type Logger } from 'pino'
import { z } from 'zod'

export type { Logger } from 'pino'

export const logLevelSchema = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info')

/** Header and property names whose values never reach a log. */
const SECRETS = ['authorization', 'apiKey', 'api_key', 'token', 'password', 'secret', 'cookie']

/** What looks like a key of ours or of the upstream: errors name what callers sent, and some send a key by mistake. */
const KEYS = /\b(lgk|lgr|csk|sk)-[\w-]{16,}/g

/** The logger of a process: JSON lines on stdout, secrets removed by name one or two levels deep, keys anywhere. */
export function createLogger(service: string, level: z.infer<typeof logLevelSchema>): Logger {
  return pino({
    level,
    base: { service, pid: process.pid },
    hooks: { streamWrite: (line) => line.replace(KEYS, '$1-[redacted]') },
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
  })
}
