// What the tiers isolate and gvisor refuse to run without, and that they say so.
import { executionRequestSchema } from '@loopgate/contracts'
import { createSandbox, type SandboxOptions } from '@loopgate/sandbox'
import t from 'tap'
import { logger, TOOLS, type TestSandbox } from '../support/sandbox.ts'

async function refusalOf(options: SandboxOptions): Promise<{ detail: string; sandbox: TestSandbox['sandbox'] }> {
  const sandbox = createSandbox({ logger }, { ...TOOLS, ...options })
  t.teardown(() => sandbox.close())
  const { passed, checks, languages, enforced } = await sandbox.selfTest()
  t.same({ passed, languages, enforced }, { passed: false, languages: [], enforced: [] })
  return { detail: checks.map(({ detail }) => detail).join(), sandbox }
}

t.test('without a memory cgroup there is no tier isolate, and nothing runs', async (t) => {
  const { detail, sandbox } = await refusalOf({ tier: 'isolate', cgroups: 'none' })
  t.match(detail, /memory cgroup/)
  const request = executionRequestSchema.parse({
    language: 'javascript',
    isolation: 'isolate',
    files: [{ path: 'a.js', content: '' }],
  })
  await t.rejects(
    sandbox.execute(request, { executionId: 'e', tenant: 't', signal: new AbortController().signal }),
    /self-test of the sandbox has not passed/,
  )
})

t.test('without its programs there is no tier gvisor, and the refusal says what to do', async (t) => {
  const path = process.env['PATH']
  process.env['PATH'] = '/nonexistent'
  t.teardown(() => {
    process.env['PATH'] = path
  })
  t.match((await refusalOf({ tier: 'gvisor', runscPath: undefined })).detail, /LOOPGATE_RUNSC_PATH/)
  t.match((await refusalOf({ tier: 'gvisor', runscPath: '/bin/true' })).detail, /does not run as the user/)
})
