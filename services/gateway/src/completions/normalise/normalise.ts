import type { Surface } from '@loopgate/contracts'
import { fault } from '@loopgate/service-kit'
import { CONVERSIONS } from './convert.ts'
import { type Rule, RULES } from './table.ts'

type Fields = Record<string, unknown>

/** The table as a tree: what to do with the fields of an object, and which of them to enter. */
type Level = {
  readonly rules: Map<string, Rule>
  readonly below: Map<string, Level>
}

const TREES: Readonly<Record<Surface, Level>> = { chat: grow('chat'), text: grow('text') }
const NONE: readonly string[] = []

/**
 * Removes, renames or converts in place what the upstream would refuse, and returns the paths of the
 * rules that applied, sorted, for the reply's header. Lists are written `*`, so the names are those of the table.
 * @throws LoopgateError LG_FIELD_REFUSED in strict mode, naming the first such field where it stands
 */
export function normalise(surface: Surface, body: Fields, strict: boolean): readonly string[] {
  const applied = new Set<string>()
  enter(body, TREES[surface], { applied, strict, path: [] })
  return applied.size === 0 ? NONE : [...applied].sort()
}

type Walk = { readonly applied: Set<string>; readonly strict: boolean; readonly path: (string | number)[] }

function enter(value: unknown, level: Level, walk: Walk): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    const items = level.below.get('*')
    if (items === undefined) return
    for (let index = 0; index < value.length; index++) descend(value[index], index, items, walk)
    return
  }
  const fields = value as Fields
  for (const name of Object.keys(fields)) {
    const rule = level.rules.get(name)
    if (rule !== undefined && apply(rule, fields, name, walk)) continue
    const below = level.below.get(name)
    if (below !== undefined) descend(fields[name], name, below, walk)
  }
}

function descend(value: unknown, step: string | number, level: Level, walk: Walk): void {
  walk.path.push(step)
  enter(value, level, walk)
  walk.path.pop()
}

/** False if the rule does not concern this value. */
function apply({ path, action, onlyEmpty }: Rule, fields: Fields, name: string, walk: Walk): boolean {
  const value = fields[name]
  if (onlyEmpty === true && !isEmpty(value)) return false
  if (walk.strict) refuse([...walk.path, name].join('.'))
  if (action === 'remove') delete fields[name]
  else if ('rename' in action) {
    delete fields[name]
    fields[action.rename] ??= value
  } else if (!CONVERSIONS[action.convert](fields, name)) return false
  walk.applied.add(path)
  return true
}

const isEmpty = (value: unknown): boolean => value === null || (Array.isArray(value) && value.length === 0)

function refuse(path: string): never {
  throw fault('LG_FIELD_REFUSED', { message: `${path}: the upstream does not support this field`, param: path })
}

function grow(surface: Surface): Level {
  const root: Level = { rules: new Map(), below: new Map() }
  for (const rule of RULES) {
    if (rule.surface !== undefined && rule.surface !== surface) continue
    const steps = rule.path.split('.')
    let level = root
    for (const step of steps.slice(0, -1)) {
      const below = level.below.get(step) ?? { rules: new Map(), below: new Map() }
      level.below.set(step, below)
      level = below
    }
    level.rules.set(steps.at(-1) ?? '', rule)
  }
  return root
}
