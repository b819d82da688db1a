import type { FallbackSettings, OrganisationSettings } from '@loopgate/cerebras'
import { ConfigError, type Secret, secretSchema } from '@loopgate/service-kit'
import { z } from 'zod'

/** Names stand in headers, metrics and logs. */
const nameSchema = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1 to 64 of the characters A-Z a-z 0-9 . _ -')
const modelSchema = z.string().min(1).max(200)
/** Names of environment variables that hold a key, so that it need not stand in a JSON text. */
const envNameSchema = z.string().regex(/^[A-Z][A-Z0-9_]{0,127}$/, 'expected the name of an environment variable')

const isUnique = (list: readonly { readonly name: string }[]): boolean =>
  new Set(list.map(({ name }) => name)).size === list.length
const UNIQUE = { error: 'two have the same name' }

/** Organisations with an account at Cerebras: the keys of each, and the models that it may use if not all. */
export const organisationsSchema = z
  .array(
    z.strictObject({
      name: nameSchema,
      keys: z.tuple([secretSchema], secretSchema),
      models: z.array(modelSchema).min(1).optional(),
    }),
  )
  .refine(isUnique, UNIQUE)

/** Other upstreams with the API of OpenAI: their models by the names that callers use. */
export const fallbacksSchema = z
  .array(
    z
      .strictObject({
        name: nameSchema.refine((name) => name !== 'cerebras', 'cerebras is the first upstream itself'),
        url: z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }),
        key: secretSchema.optional(),
        keyEnv: envNameSchema.optional(),
        models: z.record(modelSchema, modelSchema),
      })
      .refine(({ key, keyEnv }) => (key === undefined) !== (keyEnv === undefined), {
        error: 'expected either key, or keyEnv, the name of the environment variable that holds it',
      }),
  )
  .refine(isUnique, UNIQUE)

type Configured = {
  readonly CEREBRAS_API_KEY?: Secret | undefined
  readonly LOOPGATE_ORGANISATIONS: z.infer<typeof organisationsSchema>
}

/** A key without an organisation is that of one named `default`. */
export function organisationsOf({
  CEREBRAS_API_KEY: key,
  LOOPGATE_ORGANISATIONS: listed,
}: Configured): [OrganisationSettings, ...OrganisationSettings[]] {
  const own = listed.map(({ name, keys, models = null }) => ({ name, keys, models }))
  const all = key === undefined ? own : [{ name: DEFAULT_ORGANISATION, keys: [key] as const, models: null }, ...own]
  const [first, ...rest] = all
  if (first === undefined) throw new ConfigError(['CEREBRAS_API_KEY: no organisation has a key'])
  return [first, ...rest]
}

export const DEFAULT_ORGANISATION = 'default'

/**
 * The fallbacks with their keys, from the list itself or the environment.
 * @throws ConfigError that names the variables that are not set
 */
export function fallbacksOf(
  listed: z.infer<typeof fallbacksSchema>,
  env: NodeJS.ProcessEnv,
): (Omit<FallbackSettings, 'key'> & { key: Secret })[] {
  const missing = listed.flatMap(({ name, keyEnv }) =>
    keyEnv !== undefined && !env[keyEnv]
      ? [`LOOPGATE_FALLBACKS: ${keyEnv}, which holds the key of ${name}, is not set`]
      : [],
  )
  if (missing.length > 0) throw new ConfigError(missing)
  return listed.map(({ name, url, models, key, keyEnv }) => ({
    name,
    url,
    models,
    key: key ?? secretSchema.parse(env[keyEnv ?? '']),
  }))
}
