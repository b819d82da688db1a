import { parseArgs } from 'node:util'
import type { Isolation } from '@loopgate/contracts'
import { tier, UsageError, whole } from '../lib/option-values.ts'

export type DemoOptions = {
  readonly problems: number
  readonly budget: number
  readonly fanOut: number
  readonly isolation: Isolation
  readonly json: boolean
  readonly keep: boolean
}

export const HELP = `npm run demo [-- options]

Solves HumanEval with a loop for each problem, through the whole of Loopgate, against a simulated
Cerebras that answers with recorded output of a real model. Needs no key.

  --problems N   how many of the 164 problems, from the first on   (default 164)
  --budget B     iterations each loop may spend, 1 to 100          (default 25)
  --fan-out F    iterations of a wave that run at once, 1 to 100   (default 8)
  --isolation T  the tier candidates run in, process or fork      (default process)
  --json         print one JSON object last, on stdout
  --keep         keep the stack up afterwards, until Ctrl-C
`

/**
 * Parses the arguments of the demo; null asks for the help text.
 * @throws UsageError naming the option and what it takes
 */
export function parseOptions(args: readonly string[]): DemoOptions | null {
  const values = read(args)
  if (values.help) return null
  return {
    problems: whole('problems', values.problems, 164),
    budget: whole('budget', values.budget, 100),
    fanOut: whole('fan-out', values['fan-out'], 100),
    isolation: tier(values.isolation),
    json: values.json,
    keep: values.keep,
  }
}

function read(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        problems: { type: 'string', default: '164' },
        budget: { type: 'string', default: '25' },
        'fan-out': { type: 'string', default: '8' },
        isolation: { type: 'string', default: 'process' },
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    return values
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}\n\n${HELP}`, { cause })
  }
}
