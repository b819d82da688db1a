import t from 'tap'
import { completionBody, executionInput, promptTokensBound } from '../src/index.ts'
import { loopRequest } from './world.ts'

const request = loopRequest({ goal: 'Add.', scaffold: 'def add(a, b):\n    """Adds."""\n' })

t.test('all samples of a loop have one body: which one is meant is no part of it', async (t) => {
  t.notOk('seed' in completionBody(request))
})

t.test('the user text ends with the scaffold as it is, and the limits are those of the loop', async (t) => {
  const body = completionBody(request)
  const messages = body['messages'] as Array<{ role: string; content: string }>
  t.strictSame(
    messages.map(({ role }) => role),
    ['system', 'user'],
  )
  t.ok(messages[1]?.content.startsWith('Add.'))
  t.ok(messages[1]?.content.endsWith(request.scaffold))
  t.match(body, { model: 'm', max_completion_tokens: 100, temperature: 0.8 })
  t.notOk('stream' in body)
  t.notOk('top_p' in body, 'what the loop does not say is left to the upstream')
})

t.test('a loop without a scaffold asks for its goal alone', async (t) => {
  const messages = completionBody(loopRequest({ goal: 'Add.' }))['messages'] as Array<{ content: string }>
  t.equal(messages[1]?.content, 'Add.')
})

t.test('the bound of the prompt tokens is above one token a byte', async (t) => {
  const text = 'ä'.repeat(500)
  t.ok(promptTokensBound(loopRequest({ goal: text })) > 1_000)
})

t.test('an execution carries candidate, checks, limits and isolation of the loop', async (t) => {
  t.match(executionInput(request, 'x = 1'), {
    language: 'python',
    files: [{ path: 'candidate.py', content: 'x = 1' }],
    checks: request.checks,
    limits: request.limits,
    isolation: 'process',
  })
  t.equal(executionInput(loopRequest({ isolation: 'fork' }), 'x = 1').isolation, 'fork')
})
