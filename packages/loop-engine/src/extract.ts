import { createHash } from 'node:crypto'
import type { CheckedLanguage, LoopRequest } from '@loopgate/contracts'

export type Candidate = {
  readonly code: string
  readonly sha256: string
  /** Why it is not worth running, null if it is. */
  readonly refusal: string | null
}

type Block = { readonly tag: string; readonly code: string; readonly closed: boolean }

const TAGS: Readonly<Record<CheckedLanguage, readonly string[]>> = {
  python: ['python', 'py', 'python3'],
  javascript: ['javascript', 'js', 'node', 'cjs'],
  typescript: ['typescript', 'ts', 'mts', 'cts', 'tsx'],
}

const OPENING = /^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)[^`\n]*$/

/**
 * Makes a candidate of an answer.
 *
 * No fence: the answer continues the scaffold, letter by letter. A fenced block (the first of the
 * loop's language, else the first without a tag, else the first) that defines an entry point stands
 * for itself; for Python what precedes that definition in the scaffold comes before it, since it
 * holds the imports and helpers. A block that defines none continues the scaffold.
 *
 * An answer cut at the token limit (`finish_reason` length) is judged like any other: what was cut
 * may be chatter behind code that stands, and the checks know better than we do. The exception is
 * a cut inside an open fence: there it is certain that code is missing, so no sandbox is spent on it.
 */
export function extractCandidate(
  request: Pick<LoopRequest, 'language' | 'scaffold' | 'checks'>,
  text: string,
  finishReason: string | null,
): Candidate {
  const block = chooseBlock(text, request.language)
  const code = block === null ? request.scaffold + text : fromBlock(request, block.code)
  const cut = block !== null && !block.closed && finishReason === 'length'
  return {
    code,
    sha256: createHash('sha256').update(code).digest('hex'),
    refusal: cut ? 'The answer was cut at its token limit inside the code block' : null,
  }
}

function chooseBlock(text: string, language: CheckedLanguage): Block | null {
  const blocks = fencedBlocks(text)
  return (
    blocks.find(({ tag }) => TAGS[language].includes(tag)) ?? blocks.find(({ tag }) => tag === '') ?? blocks[0] ?? null
  )
}

/** The fenced blocks of CommonMark, as far as models use them; an open last one reaches to the end. */
function fencedBlocks(text: string): Block[] {
  const blocks: Block[] = []
  let open: { fence: string; tag: string; lines: string[] } | null = null
  for (const line of text.split('\n')) {
    const opening = OPENING.exec(line.trimEnd())
    if (open === null) {
      const [, fence, tag = ''] = opening ?? []
      if (fence !== undefined) open = { fence, tag: tag.toLowerCase(), lines: [] }
    } else if (opening?.[1]?.startsWith(open.fence) && line.trim() === opening[1]) {
      blocks.push({ tag: open.tag, code: `${open.lines.join('\n')}\n`, closed: true })
      open = null
    } else {
      open.lines.push(line)
    }
  }
  if (open !== null) blocks.push({ tag: open.tag, code: open.lines.join('\n'), closed: false })
  return blocks
}

function fromBlock(
  { language, scaffold, checks }: Pick<LoopRequest, 'language' | 'scaffold' | 'checks'>,
  code: string,
): string {
  const defined = checks.map(({ entryPoint }) => entryPoint).filter((name) => definitionOf(language, name).test(code))
  if (defined.length === 0) return scaffold + code
  if (language !== 'python') return code // a second `const` of the same name would be a syntax error
  // Up to the definition only: the scaffold may end in a signature without a body.
  const starts = defined.map((name) => scaffold.search(definitionOf(language, name))).filter((start) => start >= 0)
  const before = starts.length === 0 ? scaffold : scaffold.slice(0, Math.max(...starts))
  return before === '' || before.endsWith('\n') ? before + code : `${before}\n${code}`
}

function definitionOf(language: CheckedLanguage, name: string): RegExp {
  const quoted = name.replaceAll('$', '\\$')
  return language === 'python'
    ? new RegExp(`^(?:(?:async[ \\t]+)?def|class)[ \\t]+${quoted}\\b|^${quoted}[ \\t]*(?::[^=\\n]+)?=(?!=)`, 'm')
    : new RegExp(
        `\\b(?:function\\b[ \\t]*\\*?|class|const|let|var)[ \\t]*${quoted}(?![\\w$])|(?:^|exports\\.)${quoted}[ \\t]*=(?!=)`,
        'm',
      )
}
