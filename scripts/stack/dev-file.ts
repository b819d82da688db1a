import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isHeld } from './hold.ts'

/** `.loopgate/dev.json`: what tools need to find a running stack. */
export type DevFile = {
  readonly gatewayUrl: string
  readonly apiKey: string
  readonly adminKey: string
  readonly redisUrl: string
  readonly upstreamUrl: string
  readonly pids: Readonly<Record<string, number>>
}

const path = (stateFolder: string): string => join(stateFolder, 'dev.json')

export function writeDevFile(stateFolder: string, content: DevFile): void {
  writeFileSync(path(stateFolder), `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
}

export function removeDevFile(stateFolder: string): void {
  rmSync(path(stateFolder), { force: true })
}

/** The stack that is up now; undefined if none is, or is still being started. */
export async function runningStack(stateFolder: string): Promise<DevFile | undefined> {
  if (!existsSync(path(stateFolder)) || !(await isHeld(stateFolder))) return undefined
  try {
    return JSON.parse(readFileSync(path(stateFolder), 'utf8')) as DevFile
  } catch {
    return undefined // just being written or removed
  }
}
