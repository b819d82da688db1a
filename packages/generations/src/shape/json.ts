/** A JSON object without a prototype, so that no member name of the upstream's means anything here. */
export type Json = Record<string, unknown>

export const object = (): Json => Object.create(null) as Json

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object that a text holds, or null if it holds none. */
export function parseObject(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

/** The object members of a list; anything else counts as none. */
export function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}
