import * as fc from 'fast-check'

/** What may happen in a history. `at` is a replica, `which` one of the callers or of the calls that are open. */
type Command =
  | {
      readonly type: 'join'
      readonly at: number
      readonly key: number
      readonly stream: boolean
      /** Takes nothing of its stream before the history is over. */
      readonly slow: boolean
    }
  | { readonly type: 'leave'; readonly which: number }
  | { readonly type: 'chunk' | 'end' | 'refuse' | 'fail' | 'break'; readonly which: number }
  /** `cut`: connections between replicas break; `kill`: a replica dies and another starts in its place. */
  | { readonly type: 'cut'; readonly at: number }
  | { readonly type: 'kill'; readonly at: number }
  | { readonly type: 'purge'; readonly at: number }
  /** Leases lapse; entries expire. */
  | { readonly type: 'lapse' }
  | { readonly type: 'expire' }

/** A command, and the turns of the event loop before the next one: none, a few, or enough to come to rest. */
export type Step = Command & { readonly pause: number }

const which = fc.nat({ max: 7 })
const at = fc.nat({ max: 1 })
const join = fc.record({
  type: fc.constant('join' as const),
  at,
  key: fc.nat({ max: 1 }),
  stream: fc.boolean(),
  slow: fc.boolean(),
})
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 12, arbitrary: join },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('leave' as const), which }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('chunk' as const), which }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('end' as const), which }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constantFrom('refuse' as const, 'fail' as const, 'break' as const), which }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('cut' as const, 'kill' as const, 'purge' as const), at }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('lapse' as const, 'expire' as const) }) },
)

export const history: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ command, pause: fc.constantFrom(0, 1, 3, 10, 40) }).map(({ command, pause }) => ({ ...command, pause })),
  { minLength: 3, maxLength: 18 },
)

/** Things after which a question may have two calls at once: who leads has been lost, given up or voided. */
const DISTURBING = new Set<Step['type']>(['leave', 'cut', 'kill', 'purge', 'lapse'])

export const isQuiet = (steps: readonly Step[]): boolean => !steps.some(({ type }) => DISTURBING.has(type))
