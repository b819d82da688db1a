import { executionRequestSchema, limitsSchema, type Limits } from '@loopgate/contracts'
import { fault } from '@loopgate/service-kit'

type Field = keyof Limits
type Stage = 'limits' | 'compileLimits'

const FIELDS: readonly Field[] = limitsSchema.keyof().options
const DEFAULTS: Readonly<Record<Stage, Limits>> = executionRequestSchema.parse({
  language: 'python',
  files: [{ path: 'a', content: '' }],
})

const ceiling = (field: Field) => limitsSchema.shape[field].unwrap().optional()

/** The setting: what the operator allows at most, by field; what is absent is as the contract has it. */
export const ceilingsSchema = limitsSchema.extend({
  wallMs: ceiling('wallMs'),
  cpuMs: ceiling('cpuMs'),
  memoryBytes: ceiling('memoryBytes'),
  processes: ceiling('processes'),
  outputBytes: ceiling('outputBytes'),
  diskBytes: ceiling('diskBytes'),
})

export type Ceilings = {
  /**
   * Puts the ceiling where a body says nothing and the default is above it. For the body as it came, before it is
   * validated: what a caller asks for is never lowered.
   */
  readonly fill: (body: unknown, stages: readonly Stage[]) => void
  /** @throws LG_BAD_REQUEST that names each field above its ceiling, and the ceiling */
  readonly check: (request: Readonly<Partial<Record<Stage, Limits>>>) => void
}

export function createCeilings(ceilings: Readonly<Partial<Record<Field, number | undefined>>>): Ceilings {
  const bounded = FIELDS.flatMap((field) => {
    const most = ceilings[field]
    return most === undefined ? [] : [{ field, most }]
  })
  return {
    fill: (body, stages) => {
      if (!isObject(body)) return
      for (const stage of stages) {
        const limits = body[stage] === undefined ? {} : body[stage]
        const missing = bounded.filter(({ field, most }) => DEFAULTS[stage][field] > most)
        // What is no object is for the schema to refuse.
        if (missing.length === 0 || !isObject(limits)) continue
        body[stage] = { ...Object.fromEntries(missing.map(({ field, most }) => [field, most])), ...limits }
      }
    },
    check: (request) => {
      const issues = (['limits', 'compileLimits'] as const).flatMap((stage) =>
        bounded
          .filter(({ field, most }) => (request[stage]?.[field] ?? 0) > most)
          .map(({ field, most }) => ({ path: `${stage}.${field}`, expected: `at most ${most}, the ceiling here` })),
      )
      const [first] = issues
      if (first === undefined) return
      const message = issues.map(({ path, expected }) => `${path}: expected ${expected}`).join('; ')
      throw fault('LG_BAD_REQUEST', { message, param: first.path, issues })
    },
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
