/** Deeper than any request that makes sense; a bound, so that no body can exhaust the stack. */
export const MAX_DEPTH = 128

/** A value that has no canonical form. The message is fit for the caller: it names the path and the fault. */
export class CanonicalError extends Error {
  /** Where the fault lies, as a dotted path; empty for the value itself. */
  readonly path: string

  constructor(path: string, what: string) {
    super(path === '' ? what : `${path}: ${what}`)
    this.name = 'CanonicalError'
    this.path = path
  }
}

/**
 * The canonical JSON text of a parsed JSON value (RFC 8785): members sorted by UTF-16 code units,
 * numbers and strings as ECMAScript writes them. `omit` names members of the value itself that are
 * left out. One walk of our own and not json-canonicalize, because that one keeps lone surrogates,
 * does not bound depth and leaves objects with a member `toJSON` unsorted; the tests hold the two
 * against each other.
 * @throws CanonicalError for lone surrogates, numbers that are not finite, and too deep nesting
 */
export function canonicalize(value: unknown, omit?: ReadonlySet<string>): string {
  const path: string[] = []
  return write(value, path, omit)
}

function write(value: unknown, path: string[], omit?: ReadonlySet<string>): string {
  if (typeof value === 'string') return text(value, path)
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new CanonicalError(path.join('.'), 'the number is too large')
    return JSON.stringify(value)
  }
  if (typeof value !== 'object') throw new CanonicalError(path.join('.'), `a ${typeof value} is not a JSON value`)
  if (path.length >= MAX_DEPTH) throw new CanonicalError(path.join('.'), `nested deeper than ${MAX_DEPTH} levels`)
  return Array.isArray(value) ? list(value, path) : members(value as Record<string, unknown>, path, omit)
}

function text(value: string, path: readonly string[]): string {
  if (!value.isWellFormed()) throw new CanonicalError(path.join('.'), 'the text has a lone surrogate')
  return JSON.stringify(value)
}

function list(values: readonly unknown[], path: string[]): string {
  let out = '['
  for (let index = 0; index < values.length; index++) {
    path.push(String(index))
    out += (index === 0 ? '' : ',') + write(values[index], path)
    path.pop()
  }
  return `${out}]`
}

function members(value: Record<string, unknown>, path: string[], omit?: ReadonlySet<string>): string {
  let out = '{'
  for (const name of Object.keys(value).sort()) {
    if (omit?.has(name) === true) continue
    path.push(name)
    out += `${out === '{' ? '' : ','}${text(name, path)}:${write(value[name], path)}`
    path.pop()
  }
  return `${out}}`
}
