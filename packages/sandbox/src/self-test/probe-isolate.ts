import { executionRequestSchema } from '@loopgate/contracts'
import { z } from 'zod'
import type { SandboxResult, SelfTestReport } from '../types.ts'

type Check = SelfTestReport['checks'][number]
type Run = (request: ReturnType<typeof executionRequestSchema.parse>) => Promise<SandboxResult>

const reportSchema = z.object({ reached: z.array(z.string()), left: z.string(), constructed: z.string() })

/** Names of Node's and of engines' shells that no isolate may have, and one of a way to machine code. */
const FOREIGN = ['process', 'require', 'module', 'global', 'Buffer', 'fetch', 'WebAssembly', 'd8', 'load', 'gc', 'ivm']

/** Looks for everything from the globals on that is a function of the process outside, and leaves a trace. */
const PROBE = `
const reached = ${JSON.stringify(FOREIGN)}.filter((name) => !['require', 'module'].includes(name) && name in globalThis)
for (const name of ['fs', 'node:fs', 'child_process', 'node:vm', 'module', '/etc/passwd', '../../etc/passwd']) {
  try { require(name); reached.push('require ' + name) } catch {}
}
const seen = new Set()
const walk = (value) => {
  if (value === null || !['object', 'function'].includes(typeof value) || seen.has(value)) return
  seen.add(value)
  for (const key of Reflect.ownKeys(value)) {
    const { value: next, get, set } = Reflect.getOwnPropertyDescriptor(value, key)
    for (const each of [next, get, set, Reflect.getPrototypeOf(value)]) walk(each)
  }
}
walk(globalThis)
for (const each of seen) {
  if (typeof each !== 'function') continue
  try { if (each.constructor('return typeof process')() !== 'undefined') reached.push('constructor of ' + each.name) } catch {}
}
const left = typeof globalThis.trace
globalThis.trace = Object.prototype.trace = 'trace'
let constructed = 'none'
try { null.x } catch (error) { constructed = error.constructor.constructor('return typeof process + typeof globalThis.trace')() }
console.log(JSON.stringify({ reached, left, constructed }))
`

/** What a program in an isolate reaches, twice for one tenant: nothing of the process, nothing of the first run. */
export async function probeIsolate(run: Run): Promise<Check[]> {
  const request = executionRequestSchema.parse({
    language: 'javascript',
    files: [{ path: 'probe.js', content: PROBE }],
    isolation: 'isolate',
    limits: { wallMs: 20_000 },
  })
  const checks: Check[] = []
  for (const turn of ['first', 'second']) {
    const result = await run(request)
    const report = reportSchema.safeParse(result.outcome === 'ok' ? JSON.parse(result.stdout) : null)
    const said = `${result.outcome}: ${result.message ?? ''} ${result.stderr}`.slice(0, 1000)
    if (!report.success) return [...checks, { name: `isolate: ${turn} start`, passed: false, detail: said }]
    const { reached, left, constructed } = report.data
    checks.push(
      {
        name: `isolate: ${turn} reaches nothing outside`,
        passed: reached.length === 0,
        detail: JSON.stringify(reached),
      },
      { name: `isolate: ${turn} finds no trace`, passed: left === 'undefined', detail: left },
      { name: `isolate: ${turn} errors are its own`, passed: constructed === 'undefinedstring', detail: constructed },
    )
  }
  return [...checks, ...(await probeLimits(run))]
}

/** Limits that V8 alone does not keep. */
async function probeLimits(run: Run): Promise<Check[]> {
  const cases = {
    memory_limit: 'const all = []; for (;;) all.push(new Array(1000).fill(all.length))',
    time_limit: 'const again = () => Promise.resolve().then(again); again(); for (;;);',
    output_limit: 'for (;;) console.log("x".repeat(1000))',
  }
  const limits = { memoryBytes: 64 * 1024 * 1024, cpuMs: 200, wallMs: 20_000, outputBytes: 4096 }
  return Promise.all(
    Object.entries(cases).map(async ([expected, content]) => {
      const cpuMs = expected === 'memory_limit' ? 20_000 : limits.cpuMs
      const files = [{ path: 'hostile.js', content }]
      const request = executionRequestSchema.parse({
        language: 'javascript',
        files,
        isolation: 'isolate',
        limits: { ...limits, cpuMs },
      })
      const { outcome, message = '' } = await run(request)
      return {
        name: `isolate: ${expected} holds`,
        passed: outcome === expected,
        detail: `${outcome} ${message}`.trim(),
      }
    }),
  )
}
