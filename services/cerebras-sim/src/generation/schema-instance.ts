type Schema = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Deeper than any schema the strict check lets through; a recursive one of a lax request ends here. */
const MAX_DEPTH = 12

/**
 * The smallest value that fits a JSON schema: required properties only, the first alternative, empty
 * lists, numbers at their minimum. Optional properties are absent, as API version 2 has it.
 */
export function minimalInstance(schema: unknown): unknown {
  const definitions = isObject(schema) && isObject(schema['$defs']) ? schema['$defs'] : {}
  return instance(schema, definitions, 0)
}

function instance(schema: unknown, definitions: Schema, depth: number): unknown {
  if (!isObject(schema) || depth > MAX_DEPTH) return null
  if (Object.hasOwn(schema, 'const')) return schema['const']
  if (Array.isArray(schema['enum']) && schema['enum'].length > 0) return schema['enum'][0] as unknown
  const target = /^#\/\$defs\/(.+)$/.exec(typeof schema['$ref'] === 'string' ? schema['$ref'] : '')?.[1]
  if (target !== undefined) return instance(definitions[target], definitions, depth + 1)
  for (const word of ['anyOf', 'oneOf', 'allOf']) {
    const branches = schema[word]
    if (Array.isArray(branches) && branches.length > 0) return instance(branches[0], definitions, depth + 1)
  }
  const type = [schema['type']].flat()[0] ?? (isObject(schema['properties']) ? 'object' : undefined)
  switch (type) {
    case 'object':
      return objectInstance(schema, definitions, depth)
    case 'array':
      return arrayInstance(schema, definitions, depth)
    case 'string':
      return 'text'.padEnd(typeof schema['minLength'] === 'number' ? Math.min(schema['minLength'], 1000) : 0, 't')
    case 'integer':
    case 'number':
      return numberInstance(schema)
    case 'boolean':
      return true
    default:
      return null
  }
}

function objectInstance(schema: Schema, definitions: Schema, depth: number): Record<string, unknown> {
  const properties = isObject(schema['properties']) ? schema['properties'] : {}
  const required = Array.isArray(schema['required']) ? schema['required'].filter((key) => typeof key === 'string') : []
  return Object.fromEntries(required.map((key) => [key, instance(properties[key], definitions, depth + 1)]))
}

function arrayInstance(schema: Schema, definitions: Schema, depth: number): unknown[] {
  const length = typeof schema['minItems'] === 'number' ? Math.min(schema['minItems'], 100) : 0
  return Array.from({ length }, () => instance(schema['items'], definitions, depth + 1))
}

function numberInstance(schema: Schema): number {
  if (typeof schema['minimum'] === 'number') return schema['minimum']
  if (typeof schema['maximum'] === 'number') return Math.min(0, schema['maximum'])
  return 0
}
