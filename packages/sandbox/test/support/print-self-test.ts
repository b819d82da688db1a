// A process of its own that prints the report of its sandbox's self-test.
import { createSandbox } from '@loopgate/sandbox'
import { logger, TOOLS } from './sandbox.ts'

const sandbox = createSandbox({ logger }, TOOLS)
const report = await sandbox.selfTest()
await sandbox.close()
process.stdout.write(JSON.stringify(report))
