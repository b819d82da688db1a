'use strict'
// What is run inside every isolate before anything of the candidate's: one script, and V8's cache of it that holds
// every function which an ordinary execution calls. Without that each isolate would compile them anew.
const { readFileSync } = require('node:fs')
const { basename, join } = require('node:path')
const vm = require('node:vm')
const { rehearse } = require('./rehearse.cjs')

/** File name of the script, which is left out of what a candidate's stack shows. */
const FILENAME = 'loopgate'
const MODULES = [
  ...['brands', 'console', 'assert', 'modules'].map((name) => join('inside', `${name}.cjs`)),
  join('..', 'javascript', 'codec.cjs'),
]

const wrapped = (path) => `'${basename(path)}': (module, require) => {${readFileSync(join(__dirname, path), 'utf8')}\n}`

/** One script with every module that may run inside; it evaluates to the function by which that is begun. */
function sourceOf(kind) {
  const entries = [...MODULES, join('inside', `${kind}.cjs`)].map(wrapped)
  return `(() => {
    const sources = {${entries.join(',')}}, loaded = {}
    const require = (id) => {
      const name = id === 'node:util' ? 'brands.cjs' : id.slice(id.lastIndexOf('/') + 1)
      if (!loaded[name]) {
        loaded[name] = { exports: {} }
        sources[name](loaded[name], require)
      }
      return loaded[name].exports
    }
    return (...args) => require('${kind}.cjs')(...args)
  })()`
}

/**
 * The script for isolates of one kind, "candidate" or "check", as `compileScriptSync` takes it. The cache is made in a
 * context of this process in which our own code alone has run; one that V8 refuses costs time and nothing else.
 */
function bundle(ivm, kind) {
  const source = sourceOf(kind)
  const script = new vm.Script(source, { filename: FILENAME })
  const context = vm.createContext({})
  rehearse[kind](script.runInContext(context), (text) => vm.runInContext(text, context))
  const cache = script.createCachedData()
  const cachedData = new ivm.ExternalCopy(cache.buffer.slice(cache.byteOffset, cache.byteOffset + cache.length))
  return { source, options: { filename: FILENAME, cachedData } }
}

module.exports = { bundle }
