// npm run chaos: loops keep their promises while processes of the stack are killed at random.
import { ensureInstalled, runPinned } from './lib/bootstrap.mjs'
import { stackTools } from './lib/tools.mjs'

ensureInstalled()
runPinned('scripts/chaos/main.ts', process.argv.slice(2), stackTools())
