// npm run fidelity [-- --set S --isolation T --problems N --samples N --json]: known verdicts, through the gateway.
import { withPrivateStack } from '../stack/private.ts'
import { fidelity } from './fidelity.ts'
import { chosenCases, parseFidelityOptions } from './options.ts'
import { isFaithful, renderReport } from './report.ts'

const TELL_EVERY = 500

const say = (text: string): void => void process.stderr.write(`fidelity: ${text}\n`)
try {
  const options = parseFidelityOptions(process.argv.slice(2))
  const cases = chosenCases(options)
  const report = await withPrivateStack('fidelity', { say }, (stack) => {
    say(`${cases.length} cases of ${options.set} in the tier ${options.isolation}`)
    return fidelity(stack.dev(), cases, options.isolation, ({ length }) => {
      if (length % TELL_EVERY === 0) say(`${length} of ${cases.length}`)
    })
  })
  process.stderr.write(`${renderReport(report)}\n`)
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
  if (!isFaithful(report)) process.exitCode = 1
} catch (error) {
  say((error as Error).message)
  process.exitCode = 1
}
