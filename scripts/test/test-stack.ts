import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type Client } from '@loopgate/client'
import type { TestScope } from '@loopgate/testkit/redis'
import { removeSpawnHook } from '@loopgate/testkit/untouched-spawn'
import { demoProblems, type DemoProblem } from '../demo/problems.ts'
import { startStack, type Stack } from '../stack/stack.ts'

export type TestStack = {
  readonly stack: Stack
  readonly client: Client
  readonly said: string[]
  readonly stateFolder: string
}

/** A state folder of the test's own. */
export function testFolder(t: TestScope): string {
  const folder = mkdtempSync(join(tmpdir(), 'loopgate-state-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The whole of Loopgate, every process real, on free ports and a Redis of its own. */
export async function testStack(t: TestScope, folder = testFolder(t)): Promise<TestStack> {
  removeSpawnHook()
  const said: string[] = []
  const stack = await startStack({
    say: (text) => said.push(text),
    strictPorts: false,
    cerebrasKey: null,
    stateFolder: folder,
  })
  t.teardown(() => stack.stop())
  const { gatewayUrl, apiKey } = stack.dev()
  const client = createClient({ baseUrl: gatewayUrl, apiKey })
  t.teardown(() => client.close())
  return { stack, client, said, stateFolder: folder }
}

const FAN_OUT = 4
const BUDGET = 10

/** A small part of the demo: enough for solved and unsolved problems, duplicates and several waves. */
export function fewProblems(problems: number): DemoProblem[] {
  return demoProblems({ problems, budget: BUDGET, fanOut: FAN_OUT, isolation: 'process', json: false, keep: false })
}

/** Iterations that the recorded verdicts foretell: up to the first pass, else the whole budget. */
export const foretoldIterations = (problems: readonly DemoProblem[]): number =>
  problems.reduce((sum, { firstPassing }) => sum + (firstPassing === null ? BUDGET : firstPassing + 1), 0)

/** Generations of the waves that had to be started for them. */
export const foretoldGenerations = (problems: readonly DemoProblem[]): number =>
  problems.reduce((sum, { firstPassing }) => {
    const iterations = firstPassing === null ? BUDGET : firstPassing + 1
    return sum + Math.min(BUDGET, Math.ceil(iterations / FAN_OUT) * FAN_OUT)
  }, 0)

/** Generations that can be in flight when a worker dies: a wave of every loop. */
export const mostInFlight = (problems: readonly DemoProblem[]): number => problems.length * FAN_OUT
