// npm test: the checks, then every test file, on a private Redis.
import { ensureInstalled, runPinned } from './lib/bootstrap.mjs'
import { sandboxTools } from './lib/tools.mjs'

ensureInstalled()
runPinned('scripts/checks/test.ts', process.argv.slice(2), sandboxTools())
