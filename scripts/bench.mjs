// npm run bench -- <name>: benchmarks against what users would otherwise use.
import { ensureInstalled, runPinned } from './lib/bootstrap.mjs'
import { sandboxTools } from './lib/tools.mjs'

ensureInstalled()
runPinned('packages/bench/src/main.ts', process.argv.slice(2), sandboxTools())
