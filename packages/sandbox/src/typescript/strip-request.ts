import type { ExecutionRequest, SandboxFile } from '@loopgate/contracts'
import { candidateSha256 } from '../candidate-hash.ts'
import { contentOf } from '../jail/session.ts'
import type { Ran } from '../result.ts'
import type { Strippers } from './strippers.ts'

const TYPESCRIPT = /\.([mc]?)tsx?$/
const JAVASCRIPT = /\.([mc]?js|json)$/

/** The name under which a file's JavaScript stands, so that Node takes it for what it is. */
const nameOf = (path: string) => path.replace(TYPESCRIPT, '.$1js')

/**
 * The request in JavaScript, or how it ended if a source is no TypeScript: it does not compile, and every check
 * of it fails. Only what is surely TypeScript is touched: files by their ending, and an entry without one.
 * @throws Error if no process can be started
 */
export async function stripRequest(
  strippers: Strippers,
  tenant: string | null,
  request: ExecutionRequest,
): Promise<{ request: ExecutionRequest } | { ran: Ran }> {
  const entry = request.entry ?? request.files[0]?.path ?? ''
  const isTyped = ({ path }: SandboxFile) => TYPESCRIPT.test(path) || (path === entry && !JAVASCRIPT.test(path))
  const typed = request.files.filter(isTyped)
  const untyped = new Set(request.files.filter((file) => !isTyped(file)).map(({ path }) => path))
  const clash = typed.find(({ path }) => untyped.has(nameOf(path)))
  if (clash !== undefined)
    return refuse(request, `SyntaxError: ${clash.path} and ${nameOf(clash.path)} would be one file without types`)
  if (typed.length === 0) return { request }
  const stripped = await strippers.strip(
    tenant,
    typed.map((file) => ({ path: file.path, source: contentOf(file) })),
  )
  const codes = new Map<string, string>()
  for (const [i, { path }] of typed.entries()) {
    const result = stripped[i]
    if (result === undefined || 'error' in result) return refuse(request, result?.error ?? 'SyntaxError')
    codes.set(path, result.code)
  }
  const files = request.files.map((file): SandboxFile => {
    const content = codes.get(file.path)
    return content === undefined ? file : { path: nameOf(file.path), content, encoding: 'utf-8' }
  })
  return { request: { ...request, entry: codes.has(entry) ? nameOf(entry) : entry, files } }
}

const NOTHING_PUT_OUT = { bytesTotal: 0, omittedBytes: 0 }

function refuse(request: ExecutionRequest, error: string): { ran: Ran } {
  const sha256 = candidateSha256(request.files)
  const stderr = `${error}\n`
  return {
    ran: {
      end: {
        reason: null,
        exitCode: 1,
        signal: null,
        stdout: '',
        stderr,
        truncated: { stdout: false, stderr: false },
        streams: { stdout: NOTHING_PUT_OUT, stderr: { bytesTotal: Buffer.byteLength(stderr), omittedBytes: 0 } },
        cpuMs: null,
        peakMemoryBytes: null,
        oomKills: 0,
        pidsMaxHits: 0,
        diskFull: false,
        warm: true,
        started: true,
        farewell: { kind: 'compile', text: error },
        startupMs: 0,
        wallMs: 0,
      },
      served: false,
      checks: request.checks.map(({ id }) => ({
        checkId: id,
        verdict: 'fail',
        evidence: `the candidate does not compile: ${error}`,
        calls: 0,
        answered: 0,
        candidateSha256: sha256,
        durationMs: 0,
      })),
    },
  }
}
