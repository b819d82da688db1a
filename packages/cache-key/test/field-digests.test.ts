import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import t from 'tap'
import { createFamilyMaker, fieldDigests, type FamilyInput, LEFT_OUT } from '../src/index.ts'

const family = createFamilyMaker('secret')

const input = (request: Record<string, unknown>, rest: Partial<FamilyInput> = {}): FamilyInput => ({
  scope: 'acme',
  namespace: 0,
  surface: 'chat',
  idempotencyKey: null,
  request,
  ...rest,
})

const requestArbitrary = fc
  .tuple(
    fc.dictionary(
      fc.string().filter((name) => name !== '__proto__'),
      fc.jsonValue({ maxDepth: 2 }),
    ),
    fc.array(fc.record({ role: fc.constantFrom('user', 'system'), content: fc.string() }), { maxLength: 70 }),
  )
  .map(([rest, messages]) => JSON.parse(JSON.stringify({ ...rest, messages })) as Record<string, unknown>)

t.test('two requests have the same digests exactly if they have the same key', async (t) => {
  fc.assert(
    fc.property(requestArbitrary, requestArbitrary, fc.boolean(), (one, two, same) => {
      const other = same ? Object.fromEntries(Object.entries(one).toReversed()) : { ...one, ...two }
      const [here, there] = [fieldDigests(input(one)), fieldDigests(input(other))]
      const digestsEqual = isDeepStrictEqual(here, there)
      return digestsEqual === (family(input(one)) === family(input(other)))
    }),
  )
  t.pass()
})

t.test('the field that was changed is the one that differs', async (t) => {
  const request = {
    model: 'm',
    messages: Array.from({ length: 80 }, (_, index) => ({ role: 'user', content: `${index}` })),
  }
  const differing = (one: FamilyInput, other: FamilyInput): string[] => {
    const [here, there] = [fieldDigests(one), fieldDigests(other)]
    return [...new Set([...Object.keys(here), ...Object.keys(there)])].filter((name) => here[name] !== there[name])
  }
  const withMessage = (at: number) => ({
    ...request,
    messages: request.messages.with(at, { role: 'user', content: 'x' }),
  })
  const base = input(request)
  t.strictSame(differing(base, input({ ...request, seed: 1 })), ['seed'])
  t.strictSame(differing(base, input(withMessage(3))), ['messages.3'])
  t.strictSame(differing(base, input(withMessage(77))), ['messages.64+'])
  t.strictSame(differing(base, input(request, { scope: 'globex' })), ['(scope)'])
  t.strictSame(differing(base, input(request, { namespace: 1 })), ['(namespace)'])
  t.strictSame(differing(base, input(request, { surface: 'text' })), ['(surface)'])
  t.strictSame(differing(base, input(request, { idempotencyKey: 'a' })), ['(idempotencyKey)'])
  t.strictSame(differing(input({ messages: [] }), input({})), ['messages'])
  for (const name of LEFT_OUT.keys()) t.strictSame(differing(base, input({ ...request, [name]: 'x' })), [])
})
