import { z } from 'zod'
import { ENV_NAMES } from './env-names.ts'
import { Secret } from './secret.ts'

/** A secret from the environment. */
export const secretSchema = z
  .string()
  .min(1)
  .transform((value) => new Secret(value))

/** An integer from the environment, e.g. a port or a number of milliseconds. */
export const envInt = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d+$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))

/** A boolean from the environment: `true`, `1`, `false` or `0`. */
export const envBool = z.enum(['true', '1', 'false', '0']).transform((value) => value === 'true' || value === '1')

/** A JSON text from the environment, checked by the schema given. */
export const envJson = <T extends z.ZodType>(schema: T) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown
      } catch {
        context.addIssue({ code: 'custom', message: 'expected JSON' })
        return z.NEVER
      }
    })
    .pipe(schema)

/** Thrown for a bad environment; the message lists every fault and is meant for the operator. */
export class ConfigError extends Error {
  constructor(faults: readonly string[]) {
    super(`Bad configuration:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

/**
 * Parses the environment once by the schema, whose keys are the names of the variables, and
 * freezes the result. Names that start with LOOPGATE_ and that no service knows are refused, so
 * that a misspelt setting is never silently a default.
 * @throws ConfigError with every fault at once
 */
export function loadConfig<T extends z.ZodObject>(schema: T, env: NodeJS.ProcessEnv): Readonly<z.infer<T>> {
  const unknown = Object.keys(env).filter((name) => name.startsWith('LOOPGATE_') && !Object.hasOwn(ENV_NAMES, name))
  const faults = unknown.map((name) => `${name} is not a setting of Loopgate; see docs/configuration.md`)
  // An empty variable is an unset one: compose files pass `NAME: ${NAME:-}`.
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
  const result = schema.safeParse(present)
  if (!result.success) {
    faults.push(...result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`))
  }
  if (faults.length > 0 || !result.success) throw new ConfigError(faults)
  return Object.freeze(result.data) as Readonly<z.infer<T>>
}

/**
 * What `read` makes of the environment. A fault is told to the operator without a stack, and ends
 * the process with `exitCode`.
 */
export function configOrExit<T>(read: () => T, exitCode = 1): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(exitCode)
  }
}
