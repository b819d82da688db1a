// npm run fidelity: programs whose verdict is known are judged through the gateway, and the verdicts compared.
import { ensureInstalled, runPinned } from './lib/bootstrap.mjs'
import { sandboxTools } from './lib/tools.mjs'

ensureInstalled()
runPinned('scripts/fidelity/main.ts', process.argv.slice(2), sandboxTools())
