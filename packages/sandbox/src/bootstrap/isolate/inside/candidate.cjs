'use strict'
// Runs inside an isolate, before the candidate: its console and modules, and its calls. What the candidate
// does to any of it, it does to itself.
const defineConsole = require('./console.cjs')
const createAssert = require('./assert.cjs')
const createModules = require('./modules.cjs')

module.exports = function begin(host, isServer) {
  // oxlint-disable-next-line no-eval -- indirect, to run in the global scope of an isolate
  const run = eval
  const tools = defineConsole((stream, text) => host(stream, text.slice(0, 1_048_577)))
  const modules = createModules({ read: (path) => host('f', path), loadAssert: () => createAssert(tools) })
  const functions = new Map()
  let main = null
  /** What a promise came to, once it has. */
  let settled = null

  const describe = (error) => {
    try {
      return (error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`).slice(0, 2000)
    } catch {
      return 'an exception that cannot be shown'
    }
  }
  const codec = () => require('../../javascript/codec.cjs')

  function answer(mark, value) {
    try {
      return `A${mark}${codec().encode(value)}`
    } catch (error) {
      return `N${describe(error).replace(/^(Error|NotPlain): /, '')}`
    }
  }
  const asText = (value, limit) => (typeof value === 'string' ? value.slice(0, limit) : '')
  function namesOf(error) {
    const names = []
    for (let kind = error; kind && names.length < 20; kind = Object.getPrototypeOf(kind)) {
      const name = kind.constructor?.name
      if (typeof name === 'string' && !names.includes(name)) names.push(name.slice(0, 100))
    }
    return names
  }
  function refusal(mark, error) {
    const { encode } = codec()
    if (!(error instanceof Error)) {
      try {
        return `E${mark}${encode({ thrown: error })}`
      } catch {
        return `E${mark}${encode({ names: [], name: 'thrown', message: 'a value that is not plain data' })}`
      }
    }
    const facts = { names: namesOf(error), name: 'Error', message: '' }
    try {
      facts.name = asText(error.name, 100)
      facts.message = asText(error.message, 2000)
    } catch {
      // what cannot be read is left out
    }
    return `E${mark}${encode(facts)}`
  }

  const offered = {
    /** The scope of a CommonJS entry, as globals for a server of calls, whose functions are looked up there. */
    enter(path) {
      main = modules.newMain(path)
      if (!isServer) return
      const [exports, require, module, __filename, __dirname] = main.scope
      for (const [name, value] of Object.entries({ exports, require, module, __filename, __dirname })) {
        Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })
      }
    },
    start: (body) => void body.call(main.module.exports, ...main.scope),
    /** Takes note of a function: an exported one, or one that the entry declared. */
    find(name, exported) {
      const found =
        exported ?? run(`typeof ${name} === 'undefined' ? undefined : ${name}`) ?? main?.module.exports?.[name]
      functions.set(name, found)
      return typeof found === 'function'
    },
    /** Answers one call, or 'P' for a promise, which `settle` tells of once nothing is left to run. */
    call(text) {
      settled = null
      const [name, args] = codec().decode(text)
      try {
        const value = functions.get(name)(...args)
        if (!(value instanceof Promise)) return answer('v', value)
        settled = () => refusal('p', new Error('the promise never settled'))
        const keep = (make) => (result) => {
          settled = () => make('p', result)
        }
        void Promise.prototype.then.call(value, keep(answer), keep(refusal))
        return 'P'
      } catch (error) {
        return refusal('v', error)
      }
    },
    settle: () => settled(),
  }
  return (name, ...args) => offered[name](...args)
}
