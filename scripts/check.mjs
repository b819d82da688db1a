// npm run check: types, lint, format, unused code. Part of npm test.
import { ensureInstalled, runPinned } from './lib/bootstrap.mjs'

ensureInstalled()
runPinned('scripts/checks/main.ts')
