// npm run demo: the main job, end to end, on recorded model output.
import { ensureInstalled, runPinned } from './lib/bootstrap.mjs'
import { stackTools } from './lib/tools.mjs'

ensureInstalled()
runPinned('scripts/demo/main.ts', process.argv.slice(2), stackTools())
