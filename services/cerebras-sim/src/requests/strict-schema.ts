/**
 * The subset of JSON Schema that strict structured output takes (vendor's page "Structured outputs"
 * and API version 2, read 2026-11). Three texts are recorded: unsupported fields of the root, fields
 * that do not fit a type, and extra keys at the top; the others are ours.
 */
const MAX_CHARS = 5000
const MAX_DEPTH = 10
const MAX_PROPERTIES = 500
const MAX_ENUM_VALUES = 500

const REFUSED_BY_TYPE: Readonly<Record<string, readonly string[]>> = {
  string: ['pattern', 'format'],
  array: ['minItems', 'maxItems'],
}
const REFUSED_AT_TOP = ['allOf', 'oneOf', 'not', '$anchor', 'definitions']

type Schema = Readonly<Record<string, unknown>>
type Tally = { properties: number; enumValues: number; readonly problems: Set<string> }

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A set as the server prints it: `{'minItems', 'items'}`. */
const printSet = (keys: readonly string[]): string => `{${keys.map((key) => `'${key}'`).join(', ')}}`

/** Why the schema cannot be enforced; empty if it can. */
export function strictSchemaProblems(schema: Schema): string[] {
  if (JSON.stringify(schema).length > MAX_CHARS) return [`JSON schema exceeds ${MAX_CHARS} characters`]
  const extra = REFUSED_AT_TOP.filter((key) => Object.hasOwn(schema, key))
  if (extra.length > 0) return [`Extra top level keys found in JSON schema: ${printSet(extra)}.`]
  if (schema['type'] !== 'object') return ["JSON schema root must have type 'object'"]

  const tally: Tally = { properties: 0, enumValues: 0, problems: new Set() }
  const definitions = isObject(schema['$defs']) ? schema['$defs'] : {}
  visit(schema, 1, tally)
  for (const definition of Object.values(definitions)) visit(definition, 2, tally)
  for (const reference of references(schema)) {
    const name = /^#\/\$defs\/(.+)$/.exec(reference)?.[1]
    if (name === undefined || !Object.hasOwn(definitions, name)) {
      tally.problems.add(`JSON schema reference '${reference}' must point into '#/$defs'`)
    }
  }
  if (isRecursive(definitions)) tally.problems.add('JSON schema must not be recursive')
  if (tally.properties > MAX_PROPERTIES) tally.problems.add(`JSON schema exceeds ${MAX_PROPERTIES} properties`)
  if (tally.enumValues > MAX_ENUM_VALUES) tally.problems.add(`JSON schema exceeds ${MAX_ENUM_VALUES} enum values`)
  return [...tally.problems]
}

function visit(node: unknown, depth: number, tally: Tally): void {
  if (!isObject(node)) return
  if (depth > MAX_DEPTH) {
    tally.problems.add(`JSON schema exceeds a depth of ${MAX_DEPTH}`)
    return
  }
  const types = [node['type']].flat().filter((type) => typeof type === 'string')
  for (const type of types) {
    const refused = (REFUSED_BY_TYPE[type] ?? []).filter((key) => Object.hasOwn(node, key))
    if (refused.length > 0) {
      tally.problems.add(`Invalid fields for schema with types ['${type}']: ${printSet(refused)}`)
    }
  }
  if (types.includes('object') && node['additionalProperties'] !== false) {
    tally.problems.add("Object schemas must have 'additionalProperties' set to false")
  }
  if (types.includes('array') && node['items'] === true) {
    tally.problems.add("Array schemas must not have 'items' set to true")
  }
  if (Array.isArray(node['enum'])) tally.enumValues += node['enum'].length
  const properties = isObject(node['properties']) ? Object.values(node['properties']) : []
  tally.properties += properties.length
  for (const child of [...properties, node['items'], ...alternatives(node)]) visit(child, depth + 1, tally)
}

const alternatives = (node: Schema): unknown[] => (Array.isArray(node['anyOf']) ? (node['anyOf'] as unknown[]) : [])

function references(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(references)
  if (!isObject(node)) return []
  return Object.entries(node).flatMap(([key, value]) =>
    key === '$ref' && typeof value === 'string' ? [value] : references(value),
  )
}

/** Whether a definition can reach itself. */
function isRecursive(definitions: Schema): boolean {
  const leadsTo = (name: string): string[] =>
    references(definitions[name]).map((reference) => reference.slice('#/$defs/'.length))
  return Object.keys(definitions).some((start) => {
    const seen = new Set<string>()
    const open = leadsTo(start)
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (name === start) return true
      if (seen.has(name)) continue
      seen.add(name)
      open.push(...leadsTo(name))
    }
    return false
  })
}
