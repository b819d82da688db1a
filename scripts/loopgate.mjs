// npm run loopgate -- <command>: keys, tenants and the audit of an installation.
import { ensureInstalled, runPinned } from './lib/bootstrap.mjs'

ensureInstalled()
runPinned('packages/cli/src/main.ts', process.argv.slice(2))
