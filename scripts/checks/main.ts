// npm run check
import { runStaticChecks } from './static.ts'

const failed = await runStaticChecks()
if (failed.length > 0) {
  process.stdout.write(`failed: ${failed.join(', ')}\n`)
  process.exitCode = 1
}
