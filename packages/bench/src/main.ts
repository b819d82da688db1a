// npm run bench -- <name> [--json] [--seconds N] [--repeats N] [--warmup N]
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { SCENARIOS } from './scenarios/index.ts'
import { toolFinder } from './tools.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')
const say = (line: string) => process.stderr.write(`bench: ${line}\n`)

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '5' },
    repeats: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '5' },
  },
})
const [name = ''] = positionals
const scenario = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : undefined
if (!scenario) {
  const known = Object.entries(SCENARIOS).map(([known, { title }]) => `  ${known}: ${title}`)
  say(`${name ? `there is no benchmark "${name}"` : 'which benchmark?'} Known are:\n${known.join('\n')}`)
  process.exit(2)
}
if (process.platform !== 'linux' || availableParallelism() < 2) {
  say('the benchmarks need Linux and two cores: one for what is measured, one for the load')
  process.exit(2)
}
const numbers = Object.entries({ seconds: values.seconds, repeats: values.repeats, warmupSeconds: values.warmup })
const settings = Object.fromEntries(numbers.map(([key, text]) => [key, Number(text)])) as Record<
  'seconds' | 'repeats' | 'warmupSeconds',
  number
>
if (!Object.values(settings).every((value) => Number.isInteger(value) && value >= 0) || settings.repeats < 1) {
  say('--seconds, --repeats and --warmup take whole numbers')
  process.exit(2)
}
const { json, text } = await scenario.run({
  ...settings,
  root: ROOT,
  folder: join(ROOT, '.loopgate', 'bench'),
  tool: await toolFinder(ROOT, say),
  say,
})
process.stdout.write(`${text}\n`)
if (values.json) process.stdout.write(`${JSON.stringify(json)}\n`)
