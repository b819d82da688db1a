/**
 * Says why a text is not JSON, in the words and with the positions of the parser that the vendor
 * uses (jiter, known from the two recorded messages): `invalid escape at line 1 column 26527`.
 * Only run on a body that JSON.parse refused or that may hold half a surrogate pair.
 */
export function explainBadJson(bytes: Uint8Array): string | undefined {
  const scanner = { bytes, at: 0 }
  try {
    skipSpace(scanner)
    scanValue(scanner, 0)
    skipSpace(scanner)
    if (scanner.at < bytes.length) throw new Flaw('trailing characters', scanner.at)
    return undefined
  } catch (error) {
    if (!(error instanceof Flaw)) throw error
    return `${error.message} at ${position(bytes, error.at)}`
  }
}

class Flaw extends Error {
  readonly at: number
  constructor(what: string, at: number) {
    super(what)
    this.at = at
  }
}

type Scanner = { readonly bytes: Uint8Array; at: number }

/** As deep as the parser goes before it gives up. */
const MAX_DEPTH = 200

const code = (character: string): number => character.charCodeAt(0)
const QUOTE = code('"')
const BACKSLASH = code('\\')
const OPEN_LIST = code('[')
const CLOSE_LIST = code(']')
const OPEN_OBJECT = code('{')
const CLOSE_OBJECT = code('}')
const COMMA = code(',')
const COLON = code(':')
const NEWLINE = 10
const ESCAPES = new Set(Array.from('"\\/bfnrt', code))
const WORDS = new Map([
  [code('t'), 'true'],
  [code('f'), 'false'],
  [code('n'), 'null'],
])
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/** Line and column as that parser counts them: bytes from 1, and at the end of the text the last byte's. */
function position(bytes: Uint8Array, at: number): string {
  const end = Math.min(at, bytes.length)
  let line = 1
  let lineStart = 0
  for (let index = 0; index < end; index += 1) {
    if (bytes[index] !== NEWLINE) continue
    line += 1
    lineStart = index + 1
  }
  return `line ${line} column ${end - lineStart + (at < bytes.length ? 1 : 0)}`
}

function skipSpace(scanner: Scanner): void {
  for (;;) {
    const byte = scanner.bytes[scanner.at]
    if (byte !== 32 && byte !== NEWLINE && byte !== 13 && byte !== 9) return
    scanner.at += 1
  }
}

function scanValue(scanner: Scanner, depth: number): void {
  if (depth > MAX_DEPTH) throw new Flaw('recursion limit exceeded', scanner.at)
  const byte = scanner.bytes[scanner.at]
  if (byte === undefined) throw new Flaw('EOF while parsing a value', scanner.at)
  if (byte === QUOTE) return scanString(scanner)
  if (byte === OPEN_LIST) return scanList(scanner, depth)
  if (byte === OPEN_OBJECT) return scanObject(scanner, depth)
  const word = WORDS.get(byte)
  if (word !== undefined) return scanWord(scanner, word)
  scanNumber(scanner, byte)
}

function scanWord(scanner: Scanner, word: string): void {
  for (const character of word) {
    const byte = scanner.bytes[scanner.at]
    if (byte === undefined) throw new Flaw('EOF while parsing a value', scanner.at)
    if (byte !== code(character)) throw new Flaw('expected ident', scanner.at)
    scanner.at += 1
  }
}

function scanNumber(scanner: Scanner, first: number): void {
  const isDigit = first >= code('0') && first <= code('9')
  if (!isDigit && first !== code('-')) throw new Flaw('expected value', scanner.at)
  // A number is at most a few characters; 400 covers every double written out.
  const text = Buffer.from(scanner.bytes.subarray(scanner.at, scanner.at + 400)).toString('latin1')
  NUMBER.lastIndex = 0
  const length = NUMBER.exec(text)?.[0].length ?? 0
  if (length === 0) throw new Flaw('invalid number', scanner.at + 1)
  if (text.charAt(0) === '0' && /\d/.test(text.charAt(1))) throw new Flaw('invalid number', scanner.at + 1)
  scanner.at += length
}

function scanString(scanner: Scanner): void {
  const { bytes } = scanner
  scanner.at += 1
  for (;;) {
    const byte = bytes[scanner.at]
    if (byte === undefined) throw new Flaw('EOF while parsing a string', scanner.at)
    if (byte === QUOTE) break
    if (byte < 32) {
      throw new Flaw('control character (\\u0000-\\u001F) found while parsing a string', scanner.at)
    }
    if (byte === BACKSLASH) scanEscape(scanner)
    else scanner.at += 1
  }
  scanner.at += 1
}

function scanEscape(scanner: Scanner): void {
  const kind = scanner.bytes[scanner.at + 1]
  if (kind === undefined) throw new Flaw('EOF while parsing a string', scanner.at + 1)
  if (kind !== code('u')) {
    if (!ESCAPES.has(kind)) throw new Flaw('invalid escape', scanner.at + 1)
    scanner.at += 2
    return
  }
  const lead = hexEscape(scanner)
  if (lead >= 0xdc00 && lead <= 0xdfff) {
    throw new Flaw('lone leading surrogate in hex escape', scanner.at - 1)
  }
  if (lead < 0xd800 || lead > 0xdbff) return
  const isEscape = scanner.bytes[scanner.at] === BACKSLASH
  if (!isEscape || scanner.bytes[scanner.at + 1] !== code('u')) {
    throw new Flaw('unexpected end of hex escape', isEscape ? scanner.at + 1 : scanner.at)
  }
  const trail = hexEscape(scanner)
  if (trail < 0xdc00 || trail > 0xdfff) {
    throw new Flaw('lone leading surrogate in hex escape', scanner.at - 1)
  }
}

/** Reads `\uXXXX` and gives its number. */
function hexEscape(scanner: Scanner): number {
  const start = scanner.at + 2
  const digits = Buffer.from(scanner.bytes.subarray(start, start + 4)).toString('latin1')
  if (digits.length < 4) throw new Flaw('EOF while parsing a string', scanner.bytes.length)
  if (!/^[0-9a-fA-F]{4}$/.test(digits)) {
    throw new Flaw('invalid escape', start + Array.from(digits).findIndex((digit) => !/[0-9a-fA-F]/.test(digit)))
  }
  scanner.at = start + 4
  return Number.parseInt(digits, 16)
}

function scanList(scanner: Scanner, depth: number): void {
  scanner.at += 1
  skipSpace(scanner)
  if (scanner.bytes[scanner.at] === CLOSE_LIST) {
    scanner.at += 1
    return
  }
  for (;;) {
    if (scanner.at >= scanner.bytes.length) throw new Flaw('EOF while parsing a list', scanner.at)
    scanValue(scanner, depth + 1)
    skipSpace(scanner)
    const byte = scanner.bytes[scanner.at]
    if (byte === undefined) throw new Flaw('EOF while parsing a list', scanner.at)
    scanner.at += 1
    if (byte === CLOSE_LIST) return
    if (byte !== COMMA) throw new Flaw('expected `,` or `]`', scanner.at - 1)
    skipSpace(scanner)
    if (scanner.bytes[scanner.at] === CLOSE_LIST) throw new Flaw('trailing comma', scanner.at)
  }
}

function scanObject(scanner: Scanner, depth: number): void {
  scanner.at += 1
  skipSpace(scanner)
  if (scanner.bytes[scanner.at] === CLOSE_OBJECT) {
    scanner.at += 1
    return
  }
  for (;;) {
    scanKey(scanner)
    scanValue(scanner, depth + 1)
    skipSpace(scanner)
    const byte = scanner.bytes[scanner.at]
    if (byte === undefined) throw new Flaw('EOF while parsing an object', scanner.at)
    scanner.at += 1
    if (byte === CLOSE_OBJECT) return
    if (byte !== COMMA) throw new Flaw('expected `,` or `}`', scanner.at - 1)
    skipSpace(scanner)
    if (scanner.bytes[scanner.at] === CLOSE_OBJECT) throw new Flaw('trailing comma', scanner.at)
  }
}

function scanKey(scanner: Scanner): void {
  const byte = scanner.bytes[scanner.at]
  if (byte === undefined) throw new Flaw('EOF while parsing an object', scanner.at)
  if (byte !== QUOTE) throw new Flaw('key must be a string', scanner.at)
  scanString(scanner)
  skipSpace(scanner)
  const colon = scanner.bytes[scanner.at]
  if (colon === undefined) throw new Flaw('EOF while parsing an object', scanner.at)
  if (colon !== COLON) throw new Flaw('expected `:`', scanner.at)
  scanner.at += 1
  skipSpace(scanner)
}
