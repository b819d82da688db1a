import type { z } from 'zod'

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/**
 * Turns the validator's findings into the lines of the real API's 400, e.g.
 * `body.store: property 'body.store' is unsupported`. Recorded forms: unknown property, missing
 * field, wrong type, bound of a number (2025-08..2026-10); the rest follows the same family
 * (pydantic). Places inside `messages` carry the role and no `body.`, all others begin with `body.`:
 * so they were recorded, though a live answer of 2026-10 has the top level without it too.
 */
export function describeProblems(issues: readonly Issue[], body: unknown): string[] {
  return issues.flatMap((issue) => describeIssue(issue, [], body))
}

function describeIssue(issue: Issue, prefix: Path, body: unknown): string[] {
  const path = [...prefix, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const place = placeOf([...path, key], body)
      return `${place}: property '${place}' is unsupported`
    })
  }
  if (issue.code === 'invalid_union') return describeUnion(issue, path, body)
  return [`${placeOf(path, body)}: ${wording(issue, valueAt(body, path))}`]
}

/** Of the branches of a union only the one is worth telling whose type the value has; else the first. */
function describeUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path, body: unknown): string[] {
  if (issue.discriminator !== undefined) return [describeTag(issue, path, body)]
  const meant = issue.errors.find((branch) => !branch.some(isOtherType))
  if (meant !== undefined) return meant.flatMap((found) => describeIssue(found, path, body))
  const first = issue.errors[0]?.[0]
  return first === undefined ? [] : describeIssue(first, path, body)
}

const isOtherType = (issue: Issue): boolean =>
  issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value')

function describeTag(issue: z.core.$ZodIssueInvalidUnion, path: Path, body: unknown): string {
  const name = String(issue.discriminator)
  const owner = path.at(-1) === name ? path.slice(0, -1) : path
  const tag = valueAt(body, [...owner, name])
  const place = placeOf(owner, body)
  if (tag === undefined) return `${place}: Unable to extract tag using discriminator '${name}'`
  const expected = tagsOf(issue)
    .map((tag) => `'${tag}'`)
    .join(', ')
  return `${place}: Input tag '${typeof tag === 'string' ? tag : JSON.stringify(tag)}' found using '${name}' does not match any of the expected tags: ${expected}`
}

/** zod gives them in the issue, though its types do not say so. */
const tagsOf = (issue: z.core.$ZodIssueInvalidUnion): readonly string[] =>
  'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : []

function wording(issue: Issue, value: unknown): string {
  if (value === undefined) return 'Field required'
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_WORDING[issue.expected] ?? `Input should be a valid ${issue.expected}`
    case 'too_small':
      return issue.origin === 'array'
        ? `List should have at least ${issue.minimum} item after validation, not 0`
        : `Input should be greater than or equal to ${issue.minimum}`
    case 'too_big':
      return tooBig(issue, value)
    case 'invalid_value':
      return `Input should be ${orList(issue.values.map((allowed) => `'${String(allowed)}'`))}`
    case 'invalid_key':
      return 'Keys should be strings'
    default:
      return issue.message
  }
}

const TYPE_WORDING: Readonly<Record<string, string>> = {
  string: 'Input should be a valid string',
  number: 'Input should be a valid number',
  int: 'Input should be a valid integer',
  boolean: 'Input should be a valid boolean',
  array: 'Input should be a valid list',
  object: 'Input should be a valid dictionary or object to extract fields from',
  record: 'Input should be a valid dictionary',
}

function tooBig(issue: z.core.$ZodIssueTooBig, value: unknown): string {
  if (issue.origin === 'string') return `String should have at most ${issue.maximum} characters`
  if (Array.isArray(value)) {
    return `List should have at most ${issue.maximum} items after validation, not ${value.length}`
  }
  return `Input should be less than or equal to ${issue.maximum}`
}

function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

function valueAt(body: unknown, path: Path): unknown {
  let value = body
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return value
}

function placeOf(path: Path, body: unknown): string {
  if (path[0] !== 'messages' || path.length === 1) return ['body', ...path].map(String).join('.')
  const role = valueAt(body, [...path.slice(0, 2), 'role'])
  const [messages, index, ...rest] = path.map(String)
  return [messages, index, ...(rest.length > 0 && typeof role === 'string' ? [role] : []), ...rest]
    .filter((part) => part !== undefined)
    .join('.')
}
