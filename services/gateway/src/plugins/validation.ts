import { fault } from '@loopgate/service-kit'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'

type Issue = z.core.$ZodIssue

/**
 * Validates by zod in this scope, and serialises replies as they are: their types are checked at
 * compile time, and their schemas serve the OpenAPI document. Set on scopes, never at the root,
 * where plugins bring JSON schemas.
 */
export function zodValidation(app: FastifyInstance): void {
  app.setValidatorCompiler<z.ZodType>(({ schema }) => (data) => {
    const result = schema.safeParse(data)
    return result.success ? { value: result.data } : { error: refusal(result.error.issues) }
  })
  app.setSerializerCompiler(() => JSON.stringify)
}

/** Longest list of faults in one reply. */
const MAX_ISSUES = 20

/** A 400 that names every field at fault and what was expected of it; `within` is where the value stood. */
export function refusal(issues: readonly Issue[], within: readonly string[] = []): Error {
  const listed = issues.flatMap((issue) => explain(issue, within)).slice(0, MAX_ISSUES)
  const text = listed.map(({ path, expected }) => `${path === '' ? 'the body' : path}: ${expected}`).join('; ')
  const param = listed[0]?.path ?? ''
  return fault('LG_BAD_REQUEST', { message: text, issues: listed, ...(param !== '' && { param }) })
}

function explain(issue: Issue, parent: readonly PropertyKey[]): { path: string; expected: string }[] {
  const path = [...parent, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: dotted([...path, key]), expected: 'no such field' }))
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // The branch that got furthest is the one the caller meant.
    const depth = (branch: readonly Issue[]): number => Math.max(...branch.map((inner) => inner.path.length))
    const best = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? []
    if (best.length > 0 && depth(best) > 0) return best.flatMap((inner) => explain(inner, path))
  }
  return [{ path: dotted(path), expected: expectation(issue) }]
}

function expectation(issue: Issue): string {
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) {
    return `required, expected ${issue.expected}`
  }
  return issue.message.replace(/^Invalid input: /, '').replace(/^Invalid option: /, '')
}

/** A path as people write it. Keys come from the caller and are cut, so that an error stays small. */
function dotted(path: readonly PropertyKey[]): string {
  return path
    .map((part) => String(part).slice(0, 100))
    .join('.')
    .slice(0, 300)
}
