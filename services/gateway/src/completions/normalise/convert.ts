import type { Conversion } from './table.ts'

type Fields = Record<string, unknown>

/** Changes `fields[name]`; false if there was nothing to do. */
type Convert = (fields: Fields, name: string) => boolean

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What each conversion of the table does. A field that is there already is never overwritten. */
export const CONVERSIONS: Readonly<Record<Conversion, Convert>> = {
  functions(fields, name) {
    const functions = fields[name]
    delete fields[name]
    if (Array.isArray(functions) && functions.length > 0) {
      fields['tools'] ??= functions.map((called: unknown) => ({ type: 'function', function: called }))
    }
    return true
  },

  functionCall(fields, name) {
    const choice = fields[name]
    delete fields[name]
    if (typeof choice === 'string') fields['tool_choice'] ??= choice
    else if (isFields(choice)) fields['tool_choice'] ??= { type: 'function', function: { name: choice['name'] } }
    return true
  },

  reasoningEffort(fields, name) {
    const reasoning = fields[name]
    delete fields[name]
    if (isFields(reasoning) && typeof reasoning['effort'] === 'string')
      fields['reasoning_effort'] ??= reasoning['effort']
    return true
  },

  nullContent(fields, name) {
    if (fields['role'] === 'assistant' || fields[name] !== null) return false
    fields[name] = ''
    return true
  },
}
