'use strict'
// Runs inside an isolate, before anything of the candidate's: a console whose lines go to
// `write(stream, text)`. Returns how values are shown.
const { isMap, isSet, isDate } = require('node:util').types

module.exports = function defineConsole(write) {
  const { isArray } = Array
  const { keys, getPrototypeOf } = Object
  const MAX_DEPTH = 2
  const MAX_ITEMS = 100
  const LINE_CHARACTERS = 72
  const MAX_CHARACTERS = 100_000

  const quote = (text) => {
    const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"')
    if (!text.includes("'")) return `'${escaped}'`
    if (!text.includes('"')) return `"${escaped}"`
    return text.includes('`') ? `'${escaped.replaceAll("'", "\\'")}'` : `\`${escaped}\``
  }
  const keyText = (key) => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key))

  function primitive(value) {
    if (typeof value === 'string') return quote(value)
    if (typeof value === 'bigint') return `${value}n`
    return Object.is(value, -0) ? '-0' : String(value)
  }

  const rest = (count) =>
    count > MAX_ITEMS ? [`... ${count - MAX_ITEMS} more item${count === MAX_ITEMS + 1 ? '' : 's'}`] : []

  function wrap(open, items, close, indent) {
    if (items.length === 0) return open.trimEnd() + close
    const line = `${open} ${items.join(', ')} ${close}`
    if (line.length <= LINE_CHARACTERS && !line.includes('\n')) return line
    const pad = '  '.repeat(indent + 1)
    return `${open}\n${pad}${items.join(`,\n${pad}`)}\n${'  '.repeat(indent)}${close}`
  }

  function object(value, depth, seen) {
    const prototype = getPrototypeOf(value)
    const name = prototype === null ? '[Object: null prototype]' : prototype.constructor?.name
    const prefix = typeof name === 'string' && name !== 'Object' && name !== 'Array' ? `${name} ` : ''
    if (seen.includes(value)) return '[Circular *1]'
    if (value instanceof Error) return `${depth === 0 ? '' : '['}${value.stack ?? value}${depth === 0 ? '' : ']'}`
    if (isDate(value))
      return Number.isNaN(Date.prototype.getTime.call(value)) ? 'Invalid Date' : Date.prototype.toISOString.call(value)
    if (value instanceof RegExp) return String(value)
    if (value instanceof Promise) return 'Promise {}'
    if (depth > MAX_DEPTH) return isArray(value) ? '[Array]' : `[${prefix.trim() || 'Object'}]`
    const inner = [...seen, value]
    const show = (each) => inspect(each, depth + 1, inner)
    const fields = (names) => names.map((key) => `${keyText(key)}: ${show(value[key])}`)
    if (isArray(value)) {
      const items = value.slice(0, MAX_ITEMS)
      return wrap(`${prefix}[`, [...Array.from(items, show), ...rest(value.length)], ']', depth)
    }
    if (isMap(value)) {
      const items = [...Map.prototype.entries.call(value)].slice(0, MAX_ITEMS)
      return wrap(
        `Map(${value.size}) {`,
        items.map(([key, each]) => `${show(key)} => ${show(each)}`),
        '}',
        depth,
      )
    }
    if (isSet(value)) {
      const items = [...Set.prototype.values.call(value)].slice(0, MAX_ITEMS)
      return wrap(`Set(${value.size}) {`, [...items.map(show), ...rest(value.size)], '}', depth)
    }
    if (ArrayBuffer.isView(value) && value.length !== undefined) {
      const items = Array.from(value.subarray(0, MAX_ITEMS), show)
      return wrap(`${name}(${value.length}) [`, [...items, ...rest(value.length)], ']', depth)
    }
    return wrap(`${prefix}{`, fields(keys(value)), '}', depth)
  }

  function inspect(value, depth = 0, seen = []) {
    if (typeof value === 'function') {
      const kind = /^class\b/.test(Function.prototype.toString.call(value)) ? 'class' : 'Function'
      return value.name ? `[${kind}${kind === 'class' ? '' : ':'} ${value.name}]` : `[${kind} (anonymous)]`
    }
    return value === null || typeof value !== 'object' ? primitive(value) : object(value, depth, seen)
  }

  const show = (value) => {
    try {
      const text = inspect(value)
      return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}... more characters` : text
    } catch {
      return '[a value that cannot be shown]'
    }
  }

  const FORMATS = {
    s: (value) => (typeof value === 'string' ? value : show(value)),
    d: (value) => (typeof value === 'object' ? 'NaN' : String(Number(value))),
    i: (value) => String(Number.parseInt(value, 10)),
    f: (value) => String(Number.parseFloat(value)),
    j: (value) => JSON.stringify(value),
    o: show,
    O: show,
  }
  function format(args) {
    const left = [...args]
    let text = ''
    if (typeof left[0] === 'string' && left.length > 1) {
      text = left.shift().replace(/%([sdifjoO%])/g, (whole, kind) => {
        if (kind === '%') return '%'
        return left.length === 0 ? whole : FORMATS[kind](left.shift())
      })
      if (left.length === 0) return text
      text += ' '
    }
    return text + left.map((each) => (typeof each === 'string' ? each : show(each))).join(' ')
  }

  const counts = new Map()
  let indent = ''
  const to =
    (stream) =>
    (...args) =>
      write(stream, `${indent}${format(args).replaceAll('\n', `\n${indent}`)}\n`)
  const [out, err] = [to('o'), to('e')]
  const group = (...args) => {
    if (args.length > 0) out(...args)
    indent += '  '
  }
  const console = {
    log: out,
    info: out,
    debug: out,
    dir: (value) => out(value),
    table: (value) => out(value),
    error: err,
    warn: err,
    trace: (...args) => err(new Error(format(args)).stack.replace(/^Error/, 'Trace')),
    assert: (holds, ...args) => {
      if (!holds) err(args.length === 0 ? 'Assertion failed' : `Assertion failed: ${format(args)}`)
    },
    count: (label = 'default') => {
      counts.set(label, (counts.get(label) ?? 0) + 1)
      out(`${label}: ${counts.get(label)}`)
    },
    countReset: (label = 'default') => void counts.delete(label),
    group,
    groupCollapsed: group,
    groupEnd: () => {
      indent = indent.slice(2)
    },
    time() {},
    timeEnd() {},
    timeLog() {},
  }
  // A compiler of machine code is a way to more of the engine than pure functions need.
  delete globalThis.WebAssembly
  Object.defineProperty(globalThis, 'console', {
    value: console,
    writable: true,
    configurable: true,
    enumerable: false,
  })
  return { show }
}
