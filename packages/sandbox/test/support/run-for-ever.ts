// A process of its own whose sandbox runs a sleeper with the number of seconds that it is given.
import { executionRequestSchema } from '@loopgate/contracts'
import { createSandbox } from '@loopgate/sandbox'
import { logger, TIER, TOOLS } from './sandbox.ts'

const sandbox = createSandbox({ logger }, { ...TOOLS, tier: TIER })
await sandbox.selfTest()
const content = `import os\nif os.fork() == 0:\n  os.execv("/bin/sleep", ["sleep", "${process.argv[2] ?? ''}"])\nos.wait()`
await sandbox.execute(
  executionRequestSchema.parse({
    language: 'python',
    files: [{ path: 'm.py', content }],
    isolation: TIER,
    limits: { wallMs: 60_000 },
  }),
  { executionId: 'e', signal: new AbortController().signal },
)
