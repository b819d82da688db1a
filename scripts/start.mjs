// npm start: the whole of Loopgate, up until Ctrl-C.
import { ensureInstalled, runPinned } from './lib/bootstrap.mjs'
import { stackTools } from './lib/tools.mjs'

ensureInstalled()
runPinned('scripts/stack/main.ts', process.argv.slice(2), stackTools())
