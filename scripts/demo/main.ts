// npm run demo: HumanEval through the whole of Loopgate, held against what is known of it.
import { ApiError, createClient } from '@loopgate/client'
import { runningStack } from '../stack/dev-file.ts'
import { interruption } from '../stack/interruption.ts'
import { StackError } from '../stack/ports.ts'
import { startStack, stateFolder } from '../stack/stack.ts'
import { UsageError } from '../lib/option-values.ts'
import { HELP, parseOptions, type DemoOptions } from './options.ts'
import { compareWithLastRun } from './previous-run.ts'
import { demoProblems } from './problems.ts'
import { createProgress } from './progress.ts'
import { makeReport, renderReport } from './report.ts'
import { solve } from './solve.ts'

/** What is said goes to stderr: stdout is for the answer. */
const say = (text: string): void => void process.stderr.write(`${text}\n`)

const interrupted = interruption().then((signal): never => {
  throw new StackError(`stopped on ${signal}`)
})
interrupted.catch(() => {})

/** The stack that is already up, else one of our own. */
async function connect() {
  const running = await runningStack(stateFolder())
  if (running) {
    if (running.pids['cerebras-sim'] === undefined) {
      throw new StackError(
        `The stack that is up calls ${running.upstreamUrl}, where the demo would cost tokens. Stop it first: the demo brings a simulated Cerebras.`,
      )
    }
    say(`using the stack that is up at ${running.gatewayUrl}`)
    return { dev: running, gaveUp: new Promise<string>(() => {}), stop: async () => {} }
  }
  const stack = await startStack({ say, strictPorts: false, cerebrasKey: null, stateFolder: stateFolder() })
  return { dev: stack.dev(), gaveUp: stack.gaveUp, stop: stack.stop }
}

async function demo(options: DemoOptions): Promise<void> {
  const { dev, gaveUp, stop } = await connect()
  const client = createClient({ baseUrl: dev.gatewayUrl, apiKey: dev.apiKey })
  const given = new AbortController()
  let solving: Promise<unknown> = Promise.resolve()
  try {
    say(`gateway at ${dev.gatewayUrl}, simulated Cerebras at ${dev.upstreamUrl}; pids ${JSON.stringify(dev.pids)}`)
    const progress = createProgress(process.stderr)
    const failure = gaveUp.then((reason): never => {
      throw new StackError(reason)
    })
    const result = solve(client, demoProblems(options), progress.show, given.signal)
    solving = result
    const { ended, counters, elapsedMs } = await Promise.race([result, failure, interrupted])
    progress.end()
    const report = makeReport(ended, counters, elapsedMs)
    say(renderReport(report))
    tellRerun(compareWithLastRun(stateFolder(), options, ended), report.upstreamCalls)
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
    if (report.mismatches.length > 0) process.exitCode = 1
    if (options.keep) {
      say(
        `\nThe gateway stays up at ${dev.gatewayUrl} until Ctrl-C. OpenAI clients: base URL ${dev.gatewayUrl}/v1, API key ${dev.apiKey}`,
      )
      await Promise.race([failure, interrupted])
    }
  } finally {
    given.abort()
    await solving.catch(() => {})
    await client.close()
    await stop()
  }
}

function tellRerun(changed: string[] | null, upstreamCalls: number): void {
  if (changed === null) {
    say('\nRun it again: every generation is then served from the cache and the same candidates are accepted.')
  } else if (changed.length === 0) {
    say(`\nThe same candidates were accepted as in the last run, with ${upstreamCalls} upstream calls.`)
  } else {
    say(`\nOther candidates than in the last run were accepted for: ${changed.join(', ')}`)
  }
  say('npm start keeps Loopgate up for your own clients.')
}

try {
  const options = parseOptions(process.argv.slice(2))
  if (options === null) process.stdout.write(HELP)
  else await demo(options)
} catch (error) {
  if (!(error instanceof StackError || error instanceof UsageError || error instanceof ApiError)) throw error
  say(error.message)
  process.exitCode = 1
}
