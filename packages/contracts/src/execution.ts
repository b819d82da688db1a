import { z } from 'zod'
import { ARTIFACTS_MAX, artifactPatternSchema, artifactSchema } from './artifact.ts'
import { staysInside } from './inside.ts'
import { checkedLanguageSchema, languageSchema, type Language } from './language.ts'

/** Isolation tiers by name; a runner announces those whose self-test passed. */
export const isolationSchema = z.enum(['process', 'fork', 'isolate', 'gvisor'])
export type Isolation = z.infer<typeof isolationSchema>

/** How an execution ended. `internal_error` is a fault of the runner: retryable, never a score. */
export const outcomeSchema = z.enum([
  'ok',
  'compile_error',
  'runtime_error',
  'time_limit',
  'memory_limit',
  'output_limit',
  'killed',
  'internal_error',
])
export type Outcome = z.infer<typeof outcomeSchema>

const MIB = 1024 * 1024

/** Limits of one execution. Ceilings here are the schema's; an operator may lower them further. */
export const limitsSchema = z.strictObject({
  wallMs: z.int().min(50).max(120_000).default(10_000),
  cpuMs: z.int().min(50).max(120_000).default(5_000),
  memoryBytes: z
    .int()
    .min(32 * MIB)
    .max(8192 * MIB)
    .default(1024 * MIB),
  processes: z.int().min(1).max(512).default(32),
  outputBytes: z
    .int()
    .min(1024)
    .max(MIB)
    .default(64 * 1024),
  diskBytes: z
    .int()
    .min(MIB)
    .max(1024 * MIB)
    .default(16 * MIB),
})
export type Limits = z.infer<typeof limitsSchema>

/** Longest name of a file that Linux takes, in bytes. */
const NAME_BYTES_MAX = 255

/** A path inside the sandbox's working folder: relative, no parent steps, no NUL or backslash. */
export const sandboxPathSchema = z
  .string()
  .min(1)
  .max(255)
  .refine(
    (path) =>
      staysInside(path) &&
      path.isWellFormed() &&
      path.split('/').every((part) => Buffer.byteLength(part) <= NAME_BYTES_MAX),
    'expected a relative path without "..", "\\" or NUL, whose names take at most 255 bytes',
  )

export const fileSchema = z
  .strictObject({
    path: sandboxPathSchema,
    content: z.string(),
    encoding: z.enum(['utf-8', 'base64']).default('utf-8'),
  })
  .refine(({ content, encoding }) => encoding === 'utf-8' || isBase64(content), {
    path: ['content'],
    error: 'expected base64, padded, without spaces',
  })
export type SandboxFile = z.infer<typeof fileSchema>

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)
}

/** Names that differ in their Unicode form alone are one: what they look like is what is meant. */
function canStandTogether(files: readonly SandboxFile[]): boolean {
  const paths = new Set(files.map((file) => file.path.normalize()))
  const folders = files.flatMap(({ path }) =>
    path
      .normalize()
      .split('/')
      .map((_, i, parts) => parts.slice(0, i).join('/')),
  )
  return paths.size === files.length && !folders.some((folder) => paths.has(folder))
}

/**
 * A check program: it runs in a sandbox of its own, never in the candidate's process.
 * It sees `candidate` (and the name `entryPoint`) as a function whose calls are answered by the
 * candidate's sandbox with plain data. If it defines `check`, that is called with the candidate.
 */
export const checkSchema = z.strictObject({
  id: z.string().min(1).max(100),
  entryPoint: z.string().regex(/^[A-Za-z_$][A-Za-z0-9_$]{0,127}$/),
  source: z.string().min(1).max(MIB),
  prelude: z.string().max(MIB).default('').describe('Code that the check program may use, run before it'),
})
export type Check = z.infer<typeof checkSchema>

/** Tiers that are made for some languages. */
const TIER_LANGUAGES: Partial<Readonly<Record<Isolation, readonly Language[]>>> = {
  fork: ['python'],
  isolate: ['javascript', 'typescript'],
}

/** Whether a tier runs a language at all, on whatever runner. */
export function canIsolate(request: { readonly language: Language; readonly isolation: Isolation }): boolean {
  return TIER_LANGUAGES[request.isolation]?.includes(request.language) ?? true
}
export const CANNOT_ISOLATE = {
  path: ['isolation'],
  error: 'the tier fork runs Python only, the tier isolate JavaScript and TypeScript only',
}

type Surroundings = {
  readonly isolation: Isolation
  readonly args: readonly string[]
  readonly stdin: string
  readonly command?: unknown
  readonly artifacts: readonly string[]
}

/** An isolate has no process around it: nothing that a program could be given by one or leave in it. */
function needsNoProcess({ isolation, args, stdin, command, artifacts }: Surroundings): boolean {
  return isolation !== 'isolate' || (args.length + stdin.length + artifacts.length === 0 && command === undefined)
}

/** Files take whole pages of a sandbox's memory-backed folder. */
const PAGE_BYTES = 4096

function fitOnDisk({ files, limits, compileLimits, language }: FilesOnDisk): boolean {
  const bytes = files.reduce((sum, { content, encoding }) => {
    const size = encoding === 'base64' ? Math.ceil((content.length * 3) / 4) : Buffer.byteLength(content)
    return sum + Math.ceil(size / PAGE_BYTES) * PAGE_BYTES
  }, 0)
  return bytes <= limits.diskBytes && (isChecked(language) || bytes <= compileLimits.diskBytes)
}

/** The same for a compiler, which needs more of some. */
const compileLimitsSchema = limitsSchema.extend({
  wallMs: limitsSchema.shape.wallMs.unwrap().default(30_000),
  cpuMs: limitsSchema.shape.cpuMs.unwrap().default(20_000),
  processes: limitsSchema.shape.processes.unwrap().default(64),
  diskBytes: limitsSchema.shape.diskBytes.unwrap().default(64 * MIB),
})

type FilesOnDisk = {
  readonly files: readonly SandboxFile[]
  readonly limits: Limits
  readonly compileLimits: Limits
  readonly language: Language
}

const isChecked = (language: Language): boolean => checkedLanguageSchema.safeParse(language).success

/** `POST /api/executions`. Without `checks` the entry file, or the command, runs as a program. */
export const executionRequestSchema = z
  .strictObject({
    language: languageSchema,
    files: z
      .array(fileSchema)
      .min(1)
      .max(64)
      .refine(canStandTogether, 'two files have one path, or one is the folder of another'),
    entry: sandboxPathSchema.optional().describe('File to run; the first file if absent'),
    command: z
      .array(z.string().min(1).max(4096))
      .min(1)
      .max(64)
      .optional()
      .describe('Program and arguments to run in the working folder, instead of an entry'),
    args: z.array(z.string().max(4096)).max(64).default([]),
    stdin: z
      .string()
      .max(4 * MIB)
      .default(''),
    limits: limitsSchema.prefault({}),
    compileLimits: compileLimitsSchema
      .prefault({})
      .describe('Limits of the compiler, where the language has one; it runs in a sandbox of its own'),
    isolation: isolationSchema.default('process'),
    checks: z.array(checkSchema).max(64).default([]),
    artifacts: z
      .array(artifactPatternSchema)
      .max(ARTIFACTS_MAX)
      .default([])
      .describe('Files of the working folder to give back, by path or pattern'),
  })
  .refine(canIsolate, CANNOT_ISOLATE)
  .refine(needsNoProcess, {
    path: ['isolation'],
    error:
      'the tier isolate has no arguments, standard input, commands or files: leave them out, or take the tier process',
  })
  .refine(({ command, entry }) => command === undefined || entry === undefined, {
    path: ['command'],
    error: 'there is an entry already: send one of the two',
  })
  .refine(({ command, args }) => command === undefined || args.length === 0, {
    path: ['args'],
    error: 'a command has its arguments in itself',
  })
  .refine(({ command, checks }) => command === undefined || checks.length === 0, {
    path: ['command'],
    error: 'checks call functions of the entry: send no command with them',
  })
  .refine(({ language, checks }) => checks.length === 0 || isChecked(language), {
    path: ['checks'],
    error: `checks call functions, which is possible in ${checkedLanguageSchema.options.join(', ')} only`,
  })
  .refine(fitOnDisk, { path: ['files'], error: 'they take more than limits.diskBytes' })
  .refine(({ artifacts, checks }) => artifacts.length === 0 || checks.length === 0, {
    path: ['artifacts'],
    error: 'an execution with checks leaves no artifacts',
  })
export type ExecutionRequest = z.infer<typeof executionRequestSchema>
export type ExecutionInput = z.input<typeof executionRequestSchema>

export const verdictSchema = z.enum(['pass', 'fail', 'error'])
export type Verdict = z.infer<typeof verdictSchema>

/**
 * One check's judgement. It exists only as a record from the checker, bound to a nonce the
 * candidate never sees, to the candidate's hash and to the number of calls made and answered.
 */
export const checkResultSchema = z.object({
  checkId: z.string(),
  verdict: verdictSchema,
  evidence: z.string().describe('Why, in at most 4 KiB; empty for a pass'),
  calls: z.int().describe('Calls the check program made of the candidate'),
  answered: z.int().describe('Calls that came back with plain data or an exception'),
  candidateSha256: z.string(),
  durationMs: z.number(),
})
export type CheckResult = z.infer<typeof checkResultSchema>

/** What is known of one output beyond its text. */
const streamSchema = z.object({
  bytesTotal: z.int().describe('Bytes that the program wrote, as far as they were read'),
  omittedBytes: z.int().describe('Bytes left out between the head and the tail of the text; a line there says so'),
  base64: z.string().optional().describe('The bytes kept, head and tail, where they are not UTF-8'),
})

/** What the compiler said and used, where there was one. */
const compileSchema = z.object({
  exitCode: z.int().nullable(),
  stdout: z.string(),
  stderr: z.string(),
  wallMs: z.number(),
  cpuMs: z.number().nullable(),
})

/** Fields that are optional came with a later version: a result of an older runner lacks them. */
export const executionResultSchema = z.object({
  id: z.string(),
  outcome: outcomeSchema,
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  stdout: z.string(),
  stderr: z.string(),
  truncated: z.object({ stdout: z.boolean(), stderr: z.boolean() }),
  streams: z.object({ stdout: streamSchema, stderr: streamSchema }).optional(),
  stage: z.enum(['compile', 'run']).optional().describe('Which stage the outcome is of'),
  compile: compileSchema.optional(),
  wallMs: z.number(),
  cpuMs: z.number().nullable(),
  queueMs: z.number().describe('Waiting for a slot of a runner'),
  startupMs: z.number().describe('Preparing the sandbox'),
  peakMemoryBytes: z.int().nullable(),
  counters: z
    .object({
      oomKills: z.int().describe('Processes that the kernel ended for the memory limit'),
      pidsMaxHits: z.int().describe('Processes that were refused for the limit of processes'),
      diskFull: z.boolean().describe('The writable folder was full when the program ended'),
    })
    .optional(),
  isolation: z.object({
    requested: isolationSchema,
    achieved: isolationSchema,
    enforced: z.array(z.string()).describe('What really held: namespaces, limits, filters'),
    warm: z.boolean().optional().describe('The sandbox had been started ahead'),
  }),
  runtime: z.object({ language: languageSchema, version: z.string() }),
  runnerId: z.string(),
  cached: z.boolean().optional().describe('The verdict was known: nothing has run for this request'),
  checks: z.array(checkResultSchema),
  artifacts: z.array(artifactSchema).optional(),
  message: z.string().optional().describe('For internal_error: what went wrong, for the operator'),
})
export type ExecutionResult = z.infer<typeof executionResultSchema>
