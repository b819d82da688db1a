// The programs that the stack needs beside Node, found or brought, as environment variables.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, fail } from './bootstrap.mjs'
import { ensureTool } from './debian-tools.mjs'

/** Paths of Redis, bubblewrap and Python for the processes of the stack. */
export function stackTools() {
  const log = (text) => process.stderr.write(`loopgate: ${text}\n`)
  try {
    const redis = process.env.LOOPGATE_REDIS_URL ? '' : ensureTool('redis-server', ROOT, log)
    return {
      LOOPGATE_REDIS_SERVER: redis,
      LOOPGATE_BWRAP_PATH: process.env.LOOPGATE_BWRAP_PATH ?? ensureTool('bwrap', ROOT, log),
      LOOPGATE_PYTHON_PATH: process.env.LOOPGATE_PYTHON_PATH ?? ensureTool('python3', ROOT, log),
    }
  } catch (error) {
    return fail(error.message)
  }
}

/** With gVisor, which only tests and benchmarks of its tier need: where it is not to be had they say so. */
export function sandboxTools() {
  const tools = stackTools()
  const brought = join(ROOT, '.loopgate', 'toolchain', 'usr', 'bin', 'runsc')
  try {
    const found = process.env.LOOPGATE_RUNSC_PATH ?? ensureTool('runsc', ROOT)
    return { ...tools, LOOPGATE_RUNSC_PATH: existsSync(brought) ? brought : found }
  } catch {
    return tools
  }
}
