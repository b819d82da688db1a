// npm run soak: what is left behind by ten thousand streams whose callers leave, or by executions.
import { ensureInstalled, runPinned } from './lib/bootstrap.mjs'
import { sandboxTools } from './lib/tools.mjs'

ensureInstalled()
runPinned('packages/bench/src/soak/main.ts', process.argv.slice(2), sandboxTools())
