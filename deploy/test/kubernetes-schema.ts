import type { Manifest } from './read.ts'

type Kind = { readonly prototype: { validate: (this: unknown) => void } }

/**
 * What is wrong with a manifest by the OpenAPI schema of its kind: at most one fault of the values,
 * and every key that the schema does not know. kubernetes-models lets unknown keys pass, so the
 * manifest is read through a recorder: a key that its validator never asked for is unknown.
 */
export async function schemaFaults(manifest: Manifest): Promise<string[]> {
  const module = (await import(`kubernetes-models/${manifest.apiVersion}`)) as Record<string, Kind>
  const kind = module[manifest.kind]
  if (!kind) return [`no kind ${manifest.kind} in ${manifest.apiVersion}`]
  const asked = new Map<object, Set<string>>()
  try {
    kind.prototype.validate.call(recorder(manifest, asked))
  } catch (error) {
    return [(error as Error).message]
  }
  return unknownKeys(manifest, asked, '')
}

/** A view of the value that notes which keys of which object were asked for. */
function recorder(value: object, asked: Map<object, Set<string>>): object {
  const keys = new Set<string>()
  asked.set(value, keys)
  return new Proxy(value, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key)
      if (typeof key === 'string') keys.add(key)
      return typeof found === 'object' && found !== null ? recorder(found, asked) : found
    },
    // A map such as labels is walked key by key: all of its keys are known.
    ownKeys(target) {
      const own = Reflect.ownKeys(target)
      for (const key of own) keys.add(String(key))
      return own
    },
  })
}

function unknownKeys(value: object, asked: Map<object, Set<string>>, path: string): string[] {
  const known = asked.get(value)
  // Never looked into: a free-form value.
  if (!known || known.size === 0) return []
  return Object.entries(value).flatMap(([key, child]: [string, unknown]) => {
    const here = `${path}/${key}`
    if (!Array.isArray(value) && !known.has(key)) return [`${here} is not a key that Kubernetes knows`]
    return typeof child === 'object' && child !== null ? unknownKeys(child, asked, here) : []
  })
}
