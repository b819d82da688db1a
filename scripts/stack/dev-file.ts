import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

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

/** The stack that is up now, if its supervisor still lives. */
export function runningStack(stateFolder: string): DevFile | undefined {
  if (!existsSync(path(stateFolder))) return undefined
  const file = JSON.parse(readFileSync(path(stateFolder), 'utf8')) as DevFile
  try {
    process.kill(file.pids['supervisor'] as number, 0)
    return file
  } catch {
    return undefined // the file of a supervisor that was killed
  }
}
