import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { interruption } from './interruption.ts'
import { StackError } from './ports.ts'
import { startStack, type Stack, type StackOptions } from './stack.ts'

/**
 * Gives a stack of its own to what is to be done, on free ports, with a simulated Cerebras and a state
 * folder that is removed with it. Signals end it in order.
 * @throws StackError if the stack does not come up, cannot be kept up, or a signal stops it
 */
export async function withPrivateStack<T>(
  name: string,
  options: Pick<StackOptions, 'say' | 'restartsPerMinute'>,
  use: (stack: Stack) => Promise<T>,
): Promise<T> {
  const interrupted = interruption().then((signal) => `stopped on ${signal}`)
  const folder = mkdtempSync(join(tmpdir(), `loopgate-${name}-`))
  try {
    const stack = await startStack({ strictPorts: false, cerebrasKey: null, stateFolder: folder, ...options })
    const ended = Promise.race([interrupted, stack.gaveUp]).then((reason): never => {
      throw new StackError(reason)
    })
    try {
      return await Promise.race([use(stack), ended])
    } finally {
      await stack.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
